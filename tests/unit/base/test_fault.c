#include "base/fault.h"
#include "tests/unit/nx_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#ifdef NX_FAULTS_ENABLED

TEST(the_nth_point_fails_once_whatever_its_name)
{
	ASSERT_OK(nx_fault_plan("3", NULL));
	ASSERT_FALSE(NX_FAULT(store_commit));
	ASSERT_FALSE(NX_FAULT(store_read));
	ASSERT_TRUE(NX_FAULT(model_call));
	ASSERT_FALSE(NX_FAULT(store_commit));
	ASSERT_EQ(nx_fault_passed(), 4);
	ASSERT_OK(nx_fault_plan(NULL, NULL));
}

TEST(the_nth_point_of_a_name_fails_once)
{
	ASSERT_OK(nx_fault_plan("store_commit=2", NULL));
	ASSERT_FALSE(NX_FAULT(store_commit));
	ASSERT_FALSE(NX_FAULT(store_read));
	ASSERT_TRUE(NX_FAULT(store_commit));
	ASSERT_FALSE(NX_FAULT(store_commit));
	ASSERT_OK(nx_fault_plan(NULL, NULL));
	ASSERT_EQ(nx_fault_passed(), 0);
	ASSERT_FALSE(NX_FAULT(store_commit));
}

TEST(a_record_holds_the_names_in_order)
{
	char plan[512], path[500], text[128] = "";
	(void)snprintf(path, sizeof(path), "%s/faults", nx_test_dir());
	(void)snprintf(plan, sizeof(plan), "record=%s", path);
	ASSERT_OK(nx_fault_plan(plan, NULL));
	ASSERT_FALSE(NX_FAULT(store_begin));
	ASSERT_FALSE(NX_FAULT(store_commit));
	ASSERT_OK(nx_fault_plan(NULL, NULL));
	ASSERT_FALSE(NX_FAULT(store_read));
	FILE *f = fopen(path, "r");
	ASSERT_NOT_NULL(f);
	ASSERT_GT(fread(text, 1, sizeof(text) - 1, f), 0);
	ASSERT_EQ(fclose(f), 0);
	ASSERT_STREQ(text, "store_begin\nstore_commit\n");
}

TEST(a_plan_that_is_none_is_refused_with_what_it_must_be)
{
	nx_auto_error struct nx_error *err = NULL, *near = NULL;
	ASSERT_ERR(nx_fault_plan("0", &err), NX_EINVAL);
	ASSERT_CONTAINS(nx_error_message(err), "`0`");
	ASSERT_ERR(nx_fault_plan("store_comit=1", &near), NX_EINVAL);
	ASSERT_CONTAINS(nx_error_get_hint(near), "store_commit");
	ASSERT_ERR(nx_fault_plan("store_commit=", NULL), NX_EINVAL);
	ASSERT_ERR(nx_fault_plan("record=/nowhere/at/all", NULL), NX_ENOTFOUND);
}

static void *pass_many(void *arg)
{
	atomic_int *failed = arg;
	for (int i = 0; i < 1000; i++) {
		if (NX_FAULT(store_step))
			atomic_fetch_add(failed, 1);
	}
	return NULL;
}

TEST(of_many_threads_exactly_one_gets_the_fault)
{
	pthread_t threads[4];
	atomic_int failed = 0;
	ASSERT_OK(nx_fault_plan("2500", NULL));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, pass_many, &failed), 0);
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
	ASSERT_EQ(failed, 1);
	ASSERT_EQ(nx_fault_passed(), 4000);
	ASSERT_OK(nx_fault_plan(NULL, NULL));
}

#else

TEST(a_plan_for_a_build_without_fault_points_says_how_to_get_them)
{
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_OK(nx_fault_plan("", NULL));
	ASSERT_ERR(nx_fault_plan("1", &err), NX_EUNSUPPORTED);
	ASSERT_CONTAINS(nx_error_message(err), "-Dfaults=true");
	ASSERT_FALSE(NX_FAULT(store_commit));
	ASSERT_EQ(nx_fault_passed(), 0);
}

#endif
