/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* replay.c: runs a target without libFuzzer: over the files and folders given, or over its folder in tests/corpus; then,
 * where none were given, over mutations of what it found there. The seed of these is printed and can be set with
 * GKV_TEST_SEED; GKV_TEST_SCALE multiplies their number. An input that takes longer than HANG_SECONDS hangs. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX    ((size_t)100 << 10)
#define INPUTS_MAX   4096u
#define MUTATIONS    3000u
#define HANG_SECONDS 120u

struct input {
	char *path;
	uint8_t *data;
	size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static char now[512]; /* what is being run */
static struct fuzz_rng plain;

static void told(int signal)
{
	(void)!write(STDERR_FILENO, now, strlen(now));
	(void)raise(signal);
}

/* The first fatal signal says which input it was, and then is what it is. */
static void signals_watch(void)
{
	const struct sigaction action = {.sa_handler = told, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};

	(void)sigaction(SIGABRT, &action, NULL);
	(void)sigaction(SIGALRM, &action, NULL);
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
	const uint64_t where = fuzz_below(&plain, size);

	switch (fuzz_below(&plain, 4)) {
	case 0:
		if (size < max_size) {
			memmove(data + where + 1, data + where, size - (size_t)where);
			data[where] = (uint8_t)fuzz_next(&plain);
			return size + 1;
		}
		break;
	case 1:
		if (size > 1) {
			memmove(data + where, data + where + 1, size - (size_t)where - 1);
			return size - 1;
		}
		break;
	default:
		break;
	}
	if (size > 0)
		data[where] ^= (uint8_t)(1u << fuzz_below(&plain, 8));
	return size;
}

static void input_run(const struct input *input, const uint8_t *data, size_t size, unsigned mutation)
{
	(void)snprintf(now, sizeof(now), "fuzz %s: %s, mutation %u\n", fuzz_name, input->path, mutation);
	(void)alarm(HANG_SECONDS);
	(void)LLVMFuzzerTestOneInput(data, size);
	(void)alarm(0);
}

static bool file_add(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct input *input = &inputs[input_count];

	if (file == NULL || input_count == INPUTS_MAX) {
		fprintf(stderr, "%s: %s\n", path, file == NULL ? strerror(errno) : "too many inputs");
		return false;
	}
	input->path = strdup(path);
	input->data = malloc(INPUT_MAX);
	fuzz_must(input->path != NULL && input->data != NULL);
	input->size = fread(input->data, 1, INPUT_MAX, file);
	(void)fclose(file);
	input_count++;
	return true;
}

static bool path_add(const char *path)
{
	struct dirent **names = NULL;
	struct stat st;
	bool good = true;
	int count;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return file_add(path);
	count = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char inner[1024];

		(void)snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			good = path_add(inner) && good;
		free(names[i]);
	}
	free(names);
	return good && count >= 0;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != 0 ? strtoul(text, NULL, 0) : otherwise;
}

/* How many: a slow machine may ask for fewer, and a long night for more. */
static unsigned mutations(void)
{
	const char *scale = getenv("GKV_TEST_SCALE");
	const double count = MUTATIONS * (scale != NULL && scale[0] != 0 ? strtod(scale, NULL) : 1.0);

	return count < 100.0 ? 100 : count > 1e9 ? 1000000000 : (unsigned)count;
}

static unsigned mutated_run(unsigned long seed)
{
	struct fuzz_rng rng = {seed};
	uint8_t *data = malloc(INPUT_MAX);
	const unsigned count = mutations();

	fuzz_must(data != NULL);
	plain.state = seed;
	for (unsigned i = 1; i <= count; i++) {
		const struct input *input = &inputs[fuzz_below(&rng, input_count)];
		size_t size = input->size;

		memcpy(data, input->data, size);
		for (uint64_t times = 1 + fuzz_below(&rng, 3); times > 0; times--)
			size = LLVMFuzzerCustomMutator(data, size, INPUT_MAX, (unsigned)fuzz_next(&rng));
		input_run(input, data, size, i);
	}
	free(data);
	return count;
}

static void inputs_release(void)
{
	for (size_t i = 0; i < input_count; i++) {
		free(inputs[i].path);
		free(inputs[i].data);
	}
}

int main(int argc, char **argv)
{
	const unsigned long seed = setting("GKV_TEST_SEED", 20260101);
	const char *top = getenv("top_srcdir");
	char corpus[1024];
	unsigned mutated = 0;
	bool good = true;

	signals_watch();
	(void)snprintf(corpus, sizeof(corpus), "%s/tests/corpus/%s", top != NULL ? top : ".", fuzz_name);
	if (argc == 1)
		good = path_add(corpus);
	for (int i = 1; i < argc; i++)
		good = path_add(argv[i]) && good;
	if (!good || input_count == 0) {
		fprintf(stderr, "fuzz %s: inputs are missing\n", fuzz_name);
		return 1;
	}
	for (size_t i = 0; i < input_count; i++)
		input_run(&inputs[i], inputs[i].data, inputs[i].size, 0);
	printf("fuzz %s: %zu inputs of the corpus, %" PRIu64 " of them accepted\n", fuzz_name, input_count,
	       fuzz_accepted);
	if (argc == 1) {
		fuzz_must(fuzz_accepted > 0);
		fuzz_must(fuzz_accepted < input_count);
		printf("GKV_TEST_SEED=%lu\n", seed);
		mutated = mutated_run(seed);
		printf("fuzz %s: %u mutations, %" PRIu64 " inputs accepted in all\n", fuzz_name, mutated,
		       fuzz_accepted);
	}
	printf("100%%: Checks: %zu, Failures: 0, Errors: 0\n", input_count + (mutated > 0));
	inputs_release();
	return 0;
}
