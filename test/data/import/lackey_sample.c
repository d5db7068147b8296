/* What lackey.txt is a log of: cc -O1 -static -nostdlib -ffreestanding -fno-stack-protector lackey_sample.c */
static char memory[40 * 4096];
static char far[64 * 4096];

void _start(void) {
	for (int i = 0; i < 40; i += 3) memory[i * 4096] = 1;
	for (int i = 0; i < 6; i++) memory[i * 4096 + 7] += memory[i * 4096 + 4095];
	*(volatile long *)(far + 60 * 4096 - 4) = 1;
	__asm__ volatile("syscall" : : "a"(231), "D"(0) : "rcx", "r11", "memory");
	__builtin_unreachable();
}
