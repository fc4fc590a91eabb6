// u_count port mode(plain|gro) : counts datagrams until SIGTERM and tells how many came; gro: takes trains of them whole (UDP_GRO).
#include "common.h"
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define MOST 64
static volatile sig_atomic_t over;
static void end(int n){(void)n;over=1;}
int main(int c,char**v){if(c<3){fputs("u_count port mode\n",stderr);return 2;}
 // Without SA_RESTART: the signal ends the wait; one that comes right before it is seen a moment later.
 struct sigaction a={.sa_handler=end};sigaction(SIGTERM,&a,0);struct timeval moment={0,100000};
 int s=lsn(atoi(v[1]),SOCK_DGRAM),big=16<<20,one=1,gro=v[2][0]=='g';setsockopt(s,SOL_SOCKET,SO_RCVBUF,&big,sizeof big);setsockopt(s,SOL_SOCKET,SO_RCVTIMEO,&moment,sizeof moment);
 if(gro&&setsockopt(s,IPPROTO_UDP,UDP_GRO,&one,sizeof one)){perror("UDP_GRO");return 1;}
 static char b[MOST][65536],k[MOST][64];struct iovec io[MOST];struct mmsghdr m[MOST];memset(m,0,sizeof m);
 for(int i=0;i<MOST;i++){io[i]=(struct iovec){b[i],sizeof b[i]};m[i].msg_hdr.msg_iov=&io[i];m[i].msg_hdr.msg_iovlen=1;}
 long n=0;while(!over){for(int i=0;gro&&i<MOST;i++){m[i].msg_hdr.msg_control=k[i];m[i].msg_hdr.msg_controllen=sizeof k[i];}
  int got=recvmmsg(s,m,MOST,MSG_WAITFORONE,0);
  for(int i=0;i<got;i++){int size=0;if(gro)for(struct cmsghdr*h=CMSG_FIRSTHDR(&m[i].msg_hdr);h;h=CMSG_NXTHDR(&m[i].msg_hdr,h))if(h->cmsg_level==IPPROTO_UDP&&h->cmsg_type==UDP_GRO)memcpy(&size,CMSG_DATA(h),sizeof size);
   n+=size>0?((int)m[i].msg_len+size-1)/size:1;}}
 printf("%ld\n",n);return 0;}
