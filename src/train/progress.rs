//! The progress bar: rate, loss, time left. On standard error, and hidden where that is no terminal.

use super::metrics::number;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over the batches of one epoch.
    pub fn epoch(label: String, batches: usize) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(batches as u64), ProgressDrawTarget::stderr_with_hz(8));
        let style = "{prefix} {wide_bar} {pos}/{len} {per_sec} {msg} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_prefix(label);
        Progress { bar }
    }

    pub fn step(&self, loss: Option<f64>) {
        if let Some(loss) = loss.filter(|_| !self.bar.is_hidden()) {
            self.bar.set_message(format!("loss {}", number(loss)));
        }
        self.bar.inc(1);
    }

    pub fn elapsed(&self) -> Duration {
        self.bar.elapsed()
    }

    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
