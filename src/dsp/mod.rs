//! Layer `dsp`.
