// u_rtt host port count : one datagram of 32 bytes after the other; tells each round trip in microseconds. The first three warm up.
#include "common.h"
#include <netdb.h>
#include <time.h>
static double nowus(void){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec*1e6+t.tv_nsec/1e3;}
int main(int c,char**v){if(c<4){fputs("u_rtt host port count\n",stderr);return 2;}
 struct addrinfo hint={.ai_family=AF_INET,.ai_socktype=SOCK_DGRAM},*to;if(getaddrinfo(v[1],v[2],&hint,&to)){fputs("no such host\n",stderr);return 1;}
 int s=socket(AF_INET,SOCK_DGRAM,0);if(connect(s,to->ai_addr,to->ai_addrlen)){perror("connect");return 1;}
 struct timeval limit={5,0};setsockopt(s,SOL_SOCKET,SO_RCVTIMEO,&limit,sizeof limit);
 char b[32]={0};
 for(int i=-3;i<atoi(v[3]);i++){double t=nowus();if(send(s,b,sizeof b,0)<0||recv(s,b,sizeof b,0)<0){perror("echo");return 1;}
  t=nowus()-t;if(i>=0)printf("%.3f\n",t);}
 return 0;}
