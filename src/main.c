#include "base/build.h"

#include <stdio.h>

int main(void)
{
	printf("nexus %s\n", NX_VERSION);
	return 0;
}
