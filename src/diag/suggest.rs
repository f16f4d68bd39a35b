//! The name that was probably meant: a slip of the pen, or the word of another system.

/// What PyTorch, Keras and NumPy call it, and the word for it here. One word may have several: what counts is which
/// of them is a candidate.
const FOREIGN: &[(&str, &str)] = &[
    ("Linear", "Dense"),
    ("LazyLinear", "Dense"),
    ("LayerNormalization", "LayerNorm"),
    ("RMSNorm", "RmsNorm"),
    ("RMSNormalization", "RmsNorm"),
    ("BatchNormalization", "BatchNorm"),
    ("BatchNorm1d", "BatchNorm"),
    ("BatchNorm2d", "BatchNorm"),
    ("Convolution2D", "Conv2d"),
    ("Conv2DTranspose", "ConvTranspose2d"),
    ("MaxPool2d", "max_pool2d"),
    ("MaxPooling2D", "max_pool2d"),
    ("AvgPool2d", "avg_pool2d"),
    ("AveragePooling2D", "avg_pool2d"),
    ("GlobalAveragePooling2D", "global_avg_pool2d"),
    ("AdaptiveAvgPool2d", "global_avg_pool2d"),
    ("GlobalMaxPooling2D", "global_max_pool2d"),
    ("UpSampling2D", "upsample2d"),
    ("Upsample", "upsample2d"),
    ("Dropout2d", "Dropout"),
    ("LSTM", "Lstm"),
    ("LSTMCell", "Lstm"),
    ("GRU", "Gru"),
    ("GRUCell", "Gru"),
    ("RNN", "SimpleRnn"),
    ("SimpleRNN", "SimpleRnn"),
    ("RNNCell", "SimpleRnn"),
    ("hidden_size", "units"),
    ("padding_idx", "padding"),
    ("CTCLoss", "ctc_loss"),
    ("multinomial", "categorical"),
    ("ReLU", "relu"),
    ("Swish", "silu"),
    ("swish", "silu"),
    ("CrossEntropyLoss", "cross_entropy"),
    ("sparse_categorical_crossentropy", "cross_entropy"),
    ("SparseCategoricalCrossentropy", "cross_entropy"),
    ("categorical_crossentropy", "cross_entropy"),
    ("nll_loss", "cross_entropy"),
    ("binary_cross_entropy", "bce_logits"),
    ("binary_cross_entropy_with_logits", "bce_logits"),
    ("binary_crossentropy", "bce_logits"),
    ("BCEWithLogitsLoss", "bce_logits"),
    ("BCELoss", "bce_logits"),
    ("MSELoss", "mse"),
    ("mse_loss", "mse"),
    ("mean_squared_error", "mse"),
    ("L1Loss", "mae"),
    ("l1_loss", "mae"),
    ("HuberLoss", "huber"),
    ("SmoothL1Loss", "huber"),
    ("Adam", "adam"),
    ("AdamW", "adamw"),
    ("SGD", "sgd"),
    ("RMSprop", "rmsprop"),
    ("CosineAnnealingLR", "cosine"),
    ("StepLR", "step_decay"),
    ("ExponentialLR", "exponential"),
    ("xavier_uniform", "glorot_uniform"),
    ("kaiming_uniform", "he_uniform"),
    ("kaiming_normal", "he_normal"),
    ("randn", "normal"),
    ("rand", "uniform"),
    ("arange", "range"),
    ("eye", "identity"),
    ("cat", "concat"),
    ("concatenate", "concat"),
    ("permute", "transpose"),
    ("view", "reshape"),
    ("unsqueeze", "expand"),
    ("expand_dims", "expand"),
    ("detach", "stop_gradient"),
    ("cumsum", "cumulative_sum"),
    ("float32", "f32"),
    ("float64", "f64"),
    ("int32", "i32"),
    ("int64", "i64"),
    ("kernel_size", "kernel"),
    ("out_channels", "filters"),
    ("out_features", "units"),
    ("bias", "use_bias"),
    ("p", "rate"),
    ("weight_decay", "decay"),
    ("learning_rate", "lr"),
    ("reduction", "reduce"),
    ("Adafactor", "adafactor"),
    ("Adagrad", "adagrad"),
    ("LAMB", "lamb"),
    ("Lion", "lion"),
    ("constant_with_warmup", "linear_warmup"),
    ("get_constant_schedule_with_warmup", "linear_warmup"),
    ("get_linear_schedule_with_warmup", "warmup_linear"),
    ("get_cosine_schedule_with_warmup", "warmup_cosine"),
    ("cosine_with_restarts", "warmup_cosine_restarts"),
    ("get_polynomial_decay_schedule_with_warmup", "warmup_polynomial"),
    ("get_inverse_sqrt_schedule", "inverse_sqrt"),
    ("LinearLR", "linear"),
    ("top_k", "best"),
    ("top_p", "mass"),
    ("num_beams", "beams"),
    ("max_new_tokens", "limit"),
    ("max_length", "limit"),
    ("early_stopping", "early"),
    ("eos_token_id", "end"),
    ("pad_token_id", "pad"),
];

/// The candidate that is most like `name`, if one is like enough to be meant.
pub fn suggest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.collect();
    let limit = (name.chars().count() / 3).max(1);
    let foreign = FOREIGN.iter().filter(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    if let Some(ours) = foreign.into_iter().find(|ours| candidates.contains(ours)) {
        return Some(ours.to_string());
    }
    candidates
        .into_iter()
        .map(|c| (edit_distance(name, c), c))
        .filter(|&(d, c)| d <= limit && c != name && d < c.len())
        .min()
        .map(|(_, c)| c.to_string())
}

/// Case ignored: insertions, deletions, substitutions and swaps of neighbours count 1 (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let chars = |s: &str| s.to_lowercase().chars().collect::<Vec<char>>();
    let (a, b) = (chars(a), chars(b));
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let swaps = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            let swapped = if swaps { rows[i - 2][j - 2] + 1 } else { usize::MAX };
            row.push(replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1).min(swapped));
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_another_system_is_found_where_its_translation_is_a_candidate() {
        let names = ["Dense", "Conv2d", "lines"];
        assert_eq!(suggest("Linear", names.into_iter()), Some("Dense".into()));
        assert_eq!(suggest("Linear", ["kernel"].into_iter()), None);
        let mut theirs: Vec<&str> = FOREIGN.iter().map(|(t, _)| *t).collect();
        theirs.sort();
        theirs.dedup();
        assert_eq!(theirs.len(), FOREIGN.len(), "a word stands twice");
    }

    #[test]
    fn a_slip_of_the_pen_is_found() {
        let names = ["conv1", "conv2", "hidden", "head"];
        assert_eq!(suggest("hiden", names.into_iter()), Some("hidden".into()));
        assert_eq!(suggest("conv3", names.into_iter()), Some("conv1".into()));
        assert_eq!(suggest("softmax", names.into_iter()), None);
        assert_eq!(suggest("haed", names.into_iter()), Some("head".into()));
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "ab"), 2);
    }
}
