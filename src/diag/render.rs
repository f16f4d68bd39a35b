//! Rendering of diagnostics: the only place that knows miette.
