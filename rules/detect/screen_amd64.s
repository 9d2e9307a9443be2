#include "textflag.h"

// What every byte of a block is compared with.
DATA screenBytes<>+0(SB)/4, $0x46464646   // '0' to '9' become 0x76 to 0x7F
DATA screenBytes<>+4(SB)/4, $0x75757575   // the byte before 0x76
DATA screenBytes<>+8(SB)/4, $0x5C5C5C5C   // backslash
DATA screenBytes<>+12(SB)/4, $0x39393939  // '9'
DATA screenBytes<>+16(SB)/4, $0x22222222  // quote
DATA screenBytes<>+20(SB)/4, $0x2C2C2C2C  // comma
DATA screenBytes<>+24(SB)/4, $0x5F5F5F5F  // underscore
DATA screenBytes<>+28(SB)/4, $0x20202020  // upper and lower case
DATA screenBytes<>+32(SB)/4, $0x65656565  // e
GLOBL screenBytes<>(SB), RODATA|NOPTR, $36

// func firstRunAVX2(p *byte, n int, exponents uint64) int
//
// 64 bytes become masks of a bit for each. Runs and exponents are reported from
// the first 48 of them, all of which have what may belong to them within the 64;
// the others are the next's.
//
//	AX  marks: digits, backslashes, bytes beyond ASCII; then also what may be of
//	    an escape
//	BX  what may stand within a card number; then likewise
//	DI  digits
//	R8  letters e
//	R9  backslashes; then what may be of an escape
//	R10 all bits, or none where exponents are not asked for
TEXT ·firstRunAVX2(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ exponents+16(FP), R10
	VPBROADCASTD screenBytes<>+0(SB), Y8
	VPBROADCASTD screenBytes<>+4(SB), Y9
	VPBROADCASTD screenBytes<>+8(SB), Y10
	VPBROADCASTD screenBytes<>+12(SB), Y11
	VPBROADCASTD screenBytes<>+16(SB), Y12
	VPBROADCASTD screenBytes<>+20(SB), Y13
	VPBROADCASTD screenBytes<>+24(SB), Y14
	SUBQ $64, CX
	XORL DX, DX

block:
	VMOVDQU (SI)(DX*1), Y0
	VMOVDQU 32(SI)(DX*1), Y1
	VPADDB Y8, Y0, Y2
	VPADDB Y8, Y1, Y3
	VPCMPGTB Y9, Y2, Y2 // digits
	VPCMPGTB Y9, Y3, Y3
	VPCMPEQB Y10, Y0, Y4 // backslashes
	VPCMPEQB Y10, Y1, Y5
	VPOR Y2, Y0, Y6
	VPOR Y3, Y1, Y7
	VPOR Y4, Y6, Y6
	VPOR Y5, Y7, Y7
	VPMOVMSKB Y6, AX
	VPMOVMSKB Y7, R8
	SHLQ $32, R8
	ORQ R8, AX
	JZ next

	VPMOVMSKB Y2, DI
	VPMOVMSKB Y3, R8
	SHLQ $32, R8
	ORQ R8, DI

	VPCMPGTB Y11, Y0, Y2 // no byte beyond ASCII is greater, as they are negative
	VPCMPGTB Y11, Y1, Y3
	VPCMPEQB Y12, Y0, Y6
	VPCMPEQB Y12, Y1, Y7
	VPOR Y6, Y2, Y2
	VPOR Y7, Y3, Y3
	VPCMPEQB Y13, Y0, Y6
	VPCMPEQB Y13, Y1, Y7
	VPOR Y6, Y2, Y2
	VPOR Y7, Y3, Y3
	VPCMPEQB Y14, Y0, Y6
	VPCMPEQB Y14, Y1, Y7
	VPANDN Y2, Y6, Y2
	VPANDN Y3, Y7, Y3
	VPMOVMSKB Y2, BX
	VPMOVMSKB Y3, R8
	SHLQ $32, R8
	ORQ R8, BX
	NOTQ BX

	VPBROADCASTD screenBytes<>+28(SB), Y6
	VPBROADCASTD screenBytes<>+32(SB), Y7
	VPOR Y6, Y0, Y0
	VPOR Y6, Y1, Y1
	VPCMPEQB Y7, Y0, Y0
	VPCMPEQB Y7, Y1, Y1
	VPMOVMSKB Y0, R8
	VPMOVMSKB Y1, R9
	SHLQ $32, R9
	ORQ R9, R8

	// Exponents: a digit, an e, and what may follow it.
	SHRQ $1, R8
	ANDQ R10, R8
	ANDQ DI, R8
	MOVQ BX, DI
	SHRQ $2, DI
	ANDQ DI, R8

	VPMOVMSKB Y4, R9
	VPMOVMSKB Y5, DI
	SHLQ $32, DI
	ORQ DI, R9
	JZ runs

	// A backslash and the five bytes behind it.
	MOVQ R9, DI
	SHLQ $1, DI
	ORQ DI, R9
	MOVQ R9, DI
	SHLQ $2, DI
	ORQ DI, R9
	MOVQ R9, DI
	SHLQ $2, DI
	ORQ DI, R9
	ORQ R9, AX
	ORQ R9, BX

runs:
	// What may stand within a card number and is a mark, or has one among the
	// three bytes behind it.
	MOVQ AX, DI
	SHRQ $1, DI
	ORQ AX, DI
	MOVQ DI, R9
	SHRQ $2, R9
	ORQ R9, DI
	ANDQ BX, DI

	// Twelve of them in a row, from a mark on.
	MOVQ DI, BX
	SHRQ $1, BX
	ANDQ BX, DI
	MOVQ DI, BX
	SHRQ $2, BX
	ANDQ BX, DI
	MOVQ DI, BX
	SHRQ $4, BX
	ANDQ BX, DI
	MOVQ DI, BX
	SHRQ $4, BX
	ANDQ BX, DI
	ANDQ AX, DI

	ORQ R8, DI
	SHLQ $16, DI // those of the first 48 bytes
	JNZ found

next:
	ADDQ $48, DX
	CMPQ DX, CX
	JLE block
	VZEROUPPER
	NOTQ DX
	MOVQ DX, ret+24(FP)
	RET

found:
	VZEROUPPER
	BSFQ DI, DI
	LEAQ -16(DX)(DI*1), DI
	MOVQ DI, ret+24(FP)
	RET
