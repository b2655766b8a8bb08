// Stands for an image's kernel where only the loader's choice matters: says its command line on the first serial port, and restarts.
// Source: Linux, Documentation/arch/x86/boot.rst: the header of a bzImage, and the 32-bit protocol that GRUB enters it by.
	.code32
	.globl _start
_start:
	.org 0x1f1
	.byte 1                         // setup_sects
	.word 0
	.long (end - start32) / 16      // syssize
	.word 0
	.word 0xffff                    // vid_mode: normal
	.word 0
	.word 0xaa55
	.byte 0xeb, 0x66                // the header ends at 0x202 + 0x66
	.ascii "HdrS"
	.word 0x020c                    // version
	.long 0
	.word 0
	.word 0
	.byte 0
	.byte 1                         // loadflags: loaded high
	.word 0
	.long 0x100000                  // code32_start
	.long 0, 0, 0
	.word 0
	.byte 0, 0
	.long 0                         // cmd_line_ptr
	.long 0x7fffffff                // initrd_addr_max
	.long 0x200000                  // kernel_alignment
	.byte 1                         // relocatable_kernel
	.byte 21                        // min_alignment
	.word 0
	.long 2047                      // cmdline_size
	.long 0
	.quad 0
	.long 0, 0
	.quad 0
	.quad 0x1000000                 // pref_address
	.long 0x100000                  // init_size
	.long 0
	.org 1024
start32:
	lea 0x1e8(%esi), %esp           // room in boot_params for one return address, as Linux does
	call here
here:
	pop %ebx
	lea (text - here)(%ebx), %ecx
	mov $0, %edi                    // what is being said: 0 the text, 1 the command line
	jmp say
said:
	cmp $1, %edi
	je reset
	mov 0x228(%esi), %ecx           // the command line
	mov $1, %edi
say:
	movb (%ecx), %bl
	testb %bl, %bl
	jz said
ready:
	mov $0x3fd, %dx
	inb %dx, %al
	testb $0x20, %al
	jz ready
	mov $0x3f8, %dx
	movb %bl, %al
	outb %al, %dx
	inc %ecx
	jmp say
reset:
	mov $0x3fd, %dx
	inb %dx, %al
	testb $0x40, %al                // all of it has left
	jz reset
	mov $0xcf9, %dx
	movb $2, %al
	outb %al, %dx
	movb $6, %al
	outb %al, %dx
halt:
	hlt
	jmp halt
text:
	.asciz "\r\nSTARTED "
	.balign 16
end:
