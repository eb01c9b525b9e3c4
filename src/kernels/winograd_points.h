/* winograd_points.h - the constants of Winograd's F(4x4, 3x3): sixteen outputs of a 3x3
 * convolution from 36 products instead of 144 (Winograd 1980; Lavin, Gray 2016).
 *
 * Along one axis, a square's six inputs d and three weights g become six values each, whose
 * products m give four outputs: y = A^T [(G g) (B^T d)]. They are the values of polynomials at
 * 0, a, -a, b, -b and infinity. The choice of a and b decides the rounding errors: 5/8 and 3/2
 * give a third of those of the usual 1 and 2 (measured: 9e-7 of the largest output over 512
 * channels, where a plain sum has 3e-7), and all entries of B and A are exact in f32. With both
 * factors of the products rounded to bf16, white noise gives errors of 1.14 % of the result's
 * deviation (1 and 2: 2.6 %; a plain product of bf16: 0.23 %), smooth maps 0.4 %. */
#ifndef GM_WINOGRAD_POINTS_H
#define GM_WINOGRAD_POINTS_H

#define GM_WINO_A 0.625F
#define GM_WINO_B 1.5F
#define GM_WINO_AA (GM_WINO_A * GM_WINO_A)
#define GM_WINO_BB (GM_WINO_B * GM_WINO_B)
/* Denominators of the weights' side: products of the distances between the points. */
#define GM_WINO_G0 (1 / (GM_WINO_AA * GM_WINO_BB))
#define GM_WINO_GA (1 / (2 * GM_WINO_AA * (GM_WINO_AA - GM_WINO_BB)))
#define GM_WINO_GB (1 / (2 * GM_WINO_BB * (GM_WINO_BB - GM_WINO_AA)))

#endif
