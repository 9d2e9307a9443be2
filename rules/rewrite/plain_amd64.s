#include "textflag.h"

// What every byte of a block is compared with.
DATA plainBytes<>+0(SB)/4, $0x1F1F1F1F // the last control character
DATA plainBytes<>+4(SB)/4, $0x22222222 // quote
DATA plainBytes<>+8(SB)/4, $0x5C5C5C5C // backslash
GLOBL plainBytes<>(SB), RODATA|NOPTR, $12

// func plainBlocksAVX2(p *byte, n int) int
TEXT ·plainBlocksAVX2(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	VPBROADCASTD plainBytes<>+0(SB), Y8
	VPBROADCASTD plainBytes<>+4(SB), Y9
	VPBROADCASTD plainBytes<>+8(SB), Y10
	XORL DX, DX
	SUBQ $64, CX
	JLT  done

block:
	VMOVDQU (SI)(DX*1), Y0
	VMOVDQU 32(SI)(DX*1), Y1
	VPCMPGTB Y8, Y0, Y2 // no byte beyond ASCII is greater, as they are negative
	VPCMPGTB Y8, Y1, Y3
	VPCMPEQB Y9, Y0, Y4
	VPCMPEQB Y9, Y1, Y5
	VPCMPEQB Y10, Y0, Y6
	VPCMPEQB Y10, Y1, Y7
	VPOR Y6, Y4, Y4
	VPOR Y7, Y5, Y5
	VPANDN Y2, Y4, Y2
	VPANDN Y3, Y5, Y3
	VPAND Y3, Y2, Y2
	VPMOVMSKB Y2, AX
	CMPL AX, $-1
	JNE  done
	ADDQ $64, DX
	CMPQ DX, CX
	JLE  block

done:
	VZEROUPPER
	MOVQ DX, ret+16(FP)
	RET
