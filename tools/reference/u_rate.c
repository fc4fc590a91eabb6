// u_rate host port per_second secs size train : datagrams at an even rate, asleep in between; tells how many it sent, in how long.
// train 1: one by one, sendmmsg; above: trains of so many with UDP_SEGMENT, to be cut by whoever is able to. After a pause in which
// it did not get a processor it catches up.
#include "common.h"
#include <netdb.h>
#include <sys/prctl.h>
#include <time.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define MOST 64
static double nowd(void){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec/1e9;}
static void until(double t){struct timespec u={.tv_sec=(time_t)t,.tv_nsec=(long)((t-(time_t)t)*1e9)};clock_nanosleep(CLOCK_MONOTONIC,TIMER_ABSTIME,&u,0);}
int main(int c,char**v){if(c<7){fputs("u_rate host port per_second secs size train\n",stderr);return 2;}
 double rate=atof(v[3]),secs=atof(v[4]);int size=atoi(v[5]),train=atoi(v[6]);
 struct addrinfo hint={.ai_family=AF_INET,.ai_socktype=SOCK_DGRAM},*to;if(getaddrinfo(v[1],v[2],&hint,&to)){fputs("no such host\n",stderr);return 1;}
 int s=socket(AF_INET,SOCK_DGRAM,0);if(connect(s,to->ai_addr,to->ai_addrlen)){perror("connect");return 1;}
 if(train>1&&setsockopt(s,IPPROTO_UDP,UDP_SEGMENT,&size,sizeof size)){perror("UDP_SEGMENT");return 1;}
 static char b[65536];struct iovec io={b,(size_t)size*train};struct mmsghdr m[MOST];memset(m,0,sizeof m);
 for(int i=0;i<MOST;i++){m[i].msg_hdr.msg_iov=&io;m[i].msg_hdr.msg_iovlen=1;}
 // As late as 50 µs otherwise.
 prctl(PR_SET_TIMERSLACK,1UL);
 int batch=train>1?1:MOST;long step=(long)train*batch,sent=0;double t0=nowd(),t;
 while((t=nowd())-t0<secs){if(sent+step>(t-t0)*rate){until(t0+(sent+step)/rate);continue;}
  int n=sendmmsg(s,m,batch,0);if(n>0)sent+=(long)n*train;else if(errno!=ENOBUFS&&errno!=ECONNREFUSED){perror("sendmmsg");return 1;}}
 printf("%ld %.6f\n",sent,nowd()-t0);return 0;}
