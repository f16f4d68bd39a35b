//! A session: the only place that sequences the stages.
