/* kernels.h - the list of kernel files; included once a dtype with REAL set. */
#include "real.h"

#include "finish.h"
#include "kernels/surprisal.h"
#include "kernels/binary_cross_entropy.h"
#include "kernels/binary_entropy.h"
#include "kernels/cross_entropy.h"
#include "kernels/entropy.h"
#include "kernels/kl_divergence.h"
#include "kernels/sum.h"
#include "kernels/total.h"
#include "kernels/total_variation_distance.h"
#include "kernels/weighted_sum.h"
