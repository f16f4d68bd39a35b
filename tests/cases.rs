//! Cases from public bug reports of other training systems: what went wrong there is right here. Each case has a number
//! and the reports that it comes from.
//!
//! | case | | test |
//! | --- | --- | --- |
//! | 1 | ties of a maximum, in a reduction and in a pool (tensorflow#51682) | gradcheck `ties_of_a_maximum` |
//! | 2 | overlapping max-pool (Flux.jl#1197) | gradcheck `a_winner_of_four_windows` |
//! | 3 | 70,000 ties in half precision (tinygrad#12296) | gradcheck `many_ties_in_half_precision` |
//! | 4 | norm of zeros, std of constants (pytorch#2421, #4320) | gradcheck `norm_of_zero_and_deviation_of_constants` |
//! | 5 | branches not taken (pytorch#68425, #187297) | gradcheck `singular_branches_that_are_not_taken` |
//! | 6 | powers (pytorch#27134, tt-metal#55534) | gradcheck `powers` |
//! | 7 | permute, then broadcast (luminal#68) | gradcheck `permute_then_broadcast` |
//! | 8 | body and tail of vector code agree (pytorch#195075) | `values::identical_inputs…` |
//! | 9 | huge logits (hb-pytorch#61, pytorch#11752) | library `softmax_and_its_kin`, `cross_entropy_of_huge_logits` |
//! | 10 | cross-entropy of one far logit (candle#2561) | library `elementwise_losses` |
//! | 11 | smoothing with ignored rows (pytorch#73205, #70348) | library `smoothing…`, `ignored_rows…`; parity |
//! | 12 | class weights (pytorch#25571) | `values::class_weights` |
//! | 13 | mse never broadcasts (pytorch#16413) | `shapes::mse_of_unequal_shapes` |
//! | 14 | LayerNorm of constants (onnxruntime#21935) | library `a_constant_row_standardises_to_exact_zeros` |
//! | 15 | BatchNorm over one value (pytorch#4534) | `shapes::batch_norm…` |
//! | 16, 19 | padding `same`; padding never wins a pool (tensorflow#17654, pytorch#41294) | library `windows` |
//! | 17 | rows that a stride skips (mlpack#2986) | gradcheck `rows_that_a_stride_skips` |
//! | 18 | transposed convolution (onnxruntime#2518, pytorch#98129) | unit `transposed_convolution_extents`; parity |
//! | 20 | a GRU's h(t-1), no initial state (burn#2701, mlx#3249) | library `a_gru_by_hand`, `a_missing_initial_state_is_zero` |
//! | 21 | the reversed direction and padding (pytorch#1811) | library `padding_never_enters_the_state`; parity |
//! | 22 | rows that may look at nothing, masked NaN (pytorch#103963, #101967) | library `rows_without_keys…`, `what_stands_at_a_masked_key…`; gradcheck `what_is_hidden…`; parity |
//! | 23 | T5's biases and its head (transformers#8518, mlx-examples#591) | `parity::t5`: tied and untied; `weights::t5…` |
//! | 24 | ids outside of a vocabulary (tensorflow#13642) | `training::a_token_outside…` |
//! | 25 | the padding row of an embedding (pytorch#6411) | `training::the_padding_row…` |
//! | 26 | Adam's epsilon (tensorflow#35102) | library `adam_is_the_papers` |
//! | 27 | decay without momentum, dampening (mlx#440) | library `sgd_…`; parity |
//! | 28 | the mean of an epoch (tensorflow#38596) | `training::the_mean_of_an_epoch…` |
//! | 29 | gradients that are not finite (pytorch#46849) | `training::a_gradient…`, `training::bad_steps…` |
//! | 30 | best weights at the epoch limit (keras#12511) | `training::the_best_weights…` |
//! | 31 | less data than a batch (tabnet#537) | `training::less_data…` |
//! | 32 | dropout (tinygrad#1957) | library `dropout_has_one_mask…`; `values::dropout…` |
//! | 33 | too many elements (pytorch#42582) | `shapes::too_many_elements` |
//! | 34 | unequal batches accumulated (transformers#24725) | `stages::accumulated_batches…` |
//!
//! `repeat` holds what people ask for: equal seeds give equal bits, and resuming equals never having stopped.

#[path = "cases/copies.rs"]
mod copies;
#[path = "cases/lanes.rs"]
mod lanes;
#[path = "cases/program.rs"]
mod program;
#[path = "cases/repeat.rs"]
mod repeat;
#[path = "cases/shapes.rs"]
mod shapes;
#[path = "cases/stages.rs"]
mod stages;
#[path = "cases/training.rs"]
mod training;
#[path = "cases/values.rs"]
mod values;
