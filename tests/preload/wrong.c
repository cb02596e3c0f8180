/* wrong.c - frees what is no object; odd_test.c wants to see it end. */
#include <stdlib.h>

int main(void)
{
    char *volatile object = malloc(100);
    free(object + 16);
    return 0;
}
