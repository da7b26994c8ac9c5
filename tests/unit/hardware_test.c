// SPDX-License-Identifier: GPL-2.0-only
/* An image of another machine is told by its firmware's UUID, its CPU and its devices. */
#include <errno.h>
#include <json-c/json.h>

#include "config/hardware.h"
#include "test.h"

TEST(this_machine)
{
	struct json_object *is = hardware_json();
	struct ohib_err err = { 0 };
	const char *cpu = json_object_get_string(json_object_object_get(is, "cpu"));

	CHECK(cpu && strlen(cpu) > 8 && !strchr(cpu, '?'));
	CHECK_EQ(hardware_compare(is, &err), 0);
	CHECK_EQ(hardware_devices(is, &err), 0);
	CHECK_STR(err.msg, "");
	json_object_put(is);
}

TEST(another_machine)
{
	struct json_object *was = hardware_json();
	struct ohib_err err = { 0 };

	json_object_object_add(was, "cpu", json_object_new_string("CyrixInstead 6 2"));
	CHECK_EQ(hardware_compare(was, &err), -EXDEV);
	CHECK(strstr(err.msg, "another machine") && strstr(err.msg, "CyrixInstead 6 2"));
	json_object_put(was);
}

/* What one of the two does not know is no difference. */
TEST(not_known)
{
	struct json_object *was = hardware_json();

	json_object_object_del(was, "cpu");
	json_object_object_del(was, "product_uuid");
	CHECK_EQ(hardware_compare(was, NULL), 0);
	json_object_put(was);
	CHECK_EQ(hardware_compare(NULL, NULL), 0);
	CHECK_EQ(hardware_devices(NULL, NULL), 0);
}

TEST(devices)
{
	struct json_object *was = hardware_json(), *pci = json_object_object_get(was, "pci");
	struct ohib_err err = { 0 };

	REQUIRE(pci);
	/* what it did not have is none of its business */
	json_object_object_foreach(pci, slot, ids) {
		(void)ids;
		json_object_object_del(pci, slot);
		break;
	}
	CHECK_EQ(hardware_devices(was, &err), 0);
	json_object_object_add(pci, "ffff:ff:1f.7", json_object_new_string("1af4:1000"));
	CHECK_EQ(hardware_devices(was, &err), -ENODEV);
	CHECK(strstr(err.msg, "ffff:ff:1f.7 was 1af4:1000, and is nothing"));
	json_object_put(was);
	/* bytes of an image are hostile */
	was = json_tokener_parse("{\"pci\": {\"../../../../../../../../../../../../etc\": 5}}");
	CHECK_EQ(hardware_devices(was, NULL), -ENODEV);
	json_object_put(was);
	was = json_tokener_parse("{\"pci\": [1]}");
	CHECK_EQ(hardware_devices(was, NULL), 0);
	json_object_put(was);
}

int main(void)
{
	static const struct test_case t[] = {
		TEST_CASE(this_machine), TEST_CASE(another_machine), TEST_CASE(not_known), TEST_CASE(devices),
	};

	return TEST_MAIN(t);
}
