/* `nexus model-worker` without the rest of nexus, so that test_worker needs only this library. */
#include "model/model.h"

int main(int argc, char **argv)
{
	return nx_model_worker_main(argc, argv);
}
