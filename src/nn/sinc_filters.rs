//! Sinc filters: band-pass filters of a convolution, from their cutoff frequencies.

use std::f64::consts::TAU;

/// Options of a bank of sinc filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SincOptions {
    /// Taps of a filter, an odd number.
    pub taps: usize,
    /// Sample rate, Hz.
    pub sample_rate_hz: f64,
    /// Added to each lower cutoff frequency, Hz.
    pub min_low_hz: f64,
    /// Added to each bandwidth, Hz.
    pub min_band_hz: f64,
}

/// Filters `[2 · bands, taps]` for `low_hz` and `band_hz`, each `[bands]`: first the even (cosine)
/// filter of each band, then the odd (sine) ones (SincNet: Ravanelli and Bengio 2018; in pairs:
/// Pariente et al. 2020, "Filterbank design for end-to-end speech separation").
///
/// ```text
/// low = min_low + |low_hz|        high = min(low + min_band + |band_hz|, rate / 2), at least min_low
/// even[n] = w[n] · (sin(2π high n / rate) − sin(2π low n / rate)) / (π n / rate) / (2 · (high − low))        even[0] = 1
/// odd[n]  = w[n] · (cos(2π low n / rate) − cos(2π high n / rate)) / (π n / rate) / (2 · (high − low))        odd[0] = 0
/// ```
///
/// `n` runs from `−(taps − 1) / 2` to `(taps − 1) / 2`; `w` is the Hamming window of `taps` points.
/// A band that the Nyquist frequency leaves empty gives filters that are not finite.
///
/// # Panics
///
/// If the two slices have different lengths, or the number of taps is even.
pub fn sinc_filters(low_hz: &[f32], band_hz: &[f32], options: SincOptions) -> Vec<f32> {
    let SincOptions { taps, sample_rate_hz: rate, min_low_hz, min_band_hz } = options;
    assert!(low_hz.len() == band_hz.len() && taps % 2 == 1, "{} bands, {taps} taps", low_hz.len());
    let bands: Vec<(f64, f64)> = low_hz
        .iter()
        .zip(band_hz)
        .map(|(low, band)| {
            let low = min_low_hz + f64::from(low.abs());
            (low, (low + min_band_hz + f64::from(band.abs())).min(rate / 2.0).max(min_low_hz))
        })
        .collect();
    let mut filters = Vec::with_capacity(2 * bands.len() * taps);
    for even in [true, false] {
        for &(low, high) in &bands {
            filters.extend((0..taps).map(|tap| {
                let n = tap as f64 - (taps / 2) as f64;
                if n == 0.0 {
                    return if even && high > low { 1.0 } else { 0.0 };
                }
                let window = 0.54 - 0.46 * (TAU * tap as f64 / (taps - 1) as f64).cos();
                let (at_low, at_high) = (TAU * low * n / rate, TAU * high * n / rate);
                let band = if even { at_high.sin() - at_low.sin() } else { at_low.cos() - at_high.cos() };
                (window * band / (TAU * n / rate / 2.0) / (2.0 * (high - low))) as f32
            }));
        }
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: SincOptions =
        SincOptions { taps: 251, sample_rate_hz: 16_000.0, min_low_hz: 50.0, min_band_hz: 50.0 };

    #[test]
    fn a_filter_passes_its_band() {
        let filters = sinc_filters(&[950.0], &[-450.0], OPTIONS);
        let gain = |filter: &[f32], hz: f64| {
            let at = |part: fn(f64) -> f64| {
                filter
                    .iter()
                    .enumerate()
                    .map(|(n, w)| f64::from(*w) * part(TAU * hz * n as f64 / 16_000.0))
                    .sum::<f64>()
            };
            at(f64::cos).hypot(at(f64::sin))
        };
        for filter in filters.chunks(251) {
            // the band is 1000 to 1500 Hz; the height of its plateau is rate / (2 · bandwidth)
            assert!((gain(filter, 1250.0) / 16.0 - 1.0).abs() < 0.05, "{}", gain(filter, 1250.0));
            assert!(gain(filter, 800.0) < 0.2 && gain(filter, 1700.0) < 0.2);
        }
    }

    #[test]
    fn even_and_odd_filters_are_symmetric_and_antisymmetric() {
        let filters = sinc_filters(&[30.0, 3000.0], &[10.0, 9000.0], OPTIONS);
        for (k, filter) in filters.chunks(251).enumerate() {
            let sign = if k < 2 { 1.0 } else { -1.0 };
            for n in 0..125 {
                assert!((filter[n] - sign * filter[250 - n]).abs() < 1e-6);
            }
            assert_eq!(filter[125], if k < 2 { 1.0 } else { 0.0 });
        }
        assert!(sinc_filters(&[8000.0], &[1.0], OPTIONS).iter().all(|w| w.is_finite() || w.is_nan()));
    }
}
