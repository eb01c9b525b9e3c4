/* test_hosts.c - the hosts that pictures may be fetched from, and the addresses behind them. */
#include "fetch.h"
#include "interface.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_public(const char *text) {
  struct sockaddr_in v4 = {.sin_family = AF_INET};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
    return srv_address_is_public((struct sockaddr *)&v4);
  assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
  return srv_address_is_public((struct sockaddr *)&v6);
}

static void test_addresses(void **state) {
  (void)state;
  static const char *const inside[] = {
      "0.0.0.0",          "10.1.2.3",        "100.64.0.1",      "127.0.0.1",   "127.9.9.9",
      "169.254.169.254",  "172.16.0.1",      "172.31.255.255",  "192.0.0.1",   "192.168.1.1",
      "198.18.0.1",       "224.0.0.1",       "255.255.255.255", "::",          "::1",
      "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "fe80::1",     "fc00::1",
      "fd12::1",          "ff02::1",         "2002:7f00:1::",   "2001:db8::1", "2001:0:1::1"};
  static const char *const outside[] = {"8.8.8.8",     "172.15.0.1",      "172.32.0.1",
                                        "11.0.0.1",    "2606:4700::1111", "::ffff:8.8.8.8",
                                        "192.167.0.1", "2002:808:808::"};
  for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
    if (is_public(inside[i])) fail_msg("%s is no public address", inside[i]);
  for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
    if (!is_public(outside[i])) fail_msg("%s is a public address", outside[i]);
}

static void test_list(void **state) {
  (void)state;
  srv_hosts hosts;
  gm_error err = {0};
  assert_int_equal(srv_hosts_read(&hosts, NULL, &err), GM_OK);
  assert_int_equal(hosts.n, 0);
  assert_int_equal(srv_hosts_read(&hosts, "127.0.0.1:8080,LOCALHOST,[::1]:99", &err), GM_OK);
  assert_int_equal(hosts.n, 3);
  assert_non_null(srv_hosts_find(&hosts, "127.0.0.1", 8080, false));
  assert_null(srv_hosts_find(&hosts, "127.0.0.1", 80, true));
  assert_non_null(srv_hosts_find(&hosts, "localhost", 443, true));
  assert_null(srv_hosts_find(&hosts, "localhost", 8080, false));
  assert_non_null(srv_hosts_find(&hosts, "::1", 99, false));
  assert_null(srv_hosts_find(&hosts, "localhost.evil.example", 80, true));
  for (size_t i = 0; i < hosts.n; i++) assert_true(hosts.all[i].inside);
  static const char *const wrong[] = {
      "",        ",",   "a,", "a b",  "http://a", "a/b", "a:0",
      "a:65536", "a:x", "a:", "[::1", "[::1]x",   "a@b", "*.a.example"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_int_equal(srv_hosts_read(&hosts, wrong[i], &err), GM_ERR_ARGUMENT);
}

static bool never(void *user) {
  (void)user;
  return false;
}

/* A name that was public when the server began, and is this machine now. */
static void test_rebinding(void **state) {
  (void)state;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(listener, 5), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
  srv_hosts hosts = {.n = 1, .all = {{.name = "localhost", .port = ntohs(address.sin_port)}}};
  char url[64], *bytes;
  size_t size;
  gm_error err = {0};
  snprintf(url, sizeof url, "http://localhost:%u/x.jpg", hosts.all[0].port);
  assert_true(srv_fetch_begin());
  assert_int_equal(srv_fetch(&hosts, url, NULL, NULL, never, NULL, &bytes, &size, &err),
                   GM_ERR_ARGUMENT);
  srv_fetch_end();
  assert_null(bytes);
  assert_non_null(strstr(err.message, "private network"));
  assert_int_equal(accept(listener, NULL, NULL), -1); /* nobody came */
  close(listener);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses),
                                     cmocka_unit_test(test_list),
                                     cmocka_unit_test(test_rebinding)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
