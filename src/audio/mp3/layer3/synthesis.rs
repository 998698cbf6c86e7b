//! Polyphase synthesis filter bank (ISO/IEC 11172-3 §2.4.3.2): 32 subband samples to 32 samples.
//!
//! ```text
//! V[i] = Σ_k cos((16 + i)(2k + 1)π / 64) · S[k]            i = 0 … 63, in front of the earlier 960
//! x[j] = Σ_i D[j + 32 i] · U[j + 32 i]                     U: V in blocks of 32, every second pair skipped
//! ```
//!
//! V has 32 different values, the DCT-II of S: t[n] = Σ_k cos(n(2k + 1)π / 64) · S[k]. With S[k] ± S[31 − k]
//! each needs 16 products.

use std::f64::consts::PI;
use std::sync::OnceLock;

/// Subbands of the filter bank.
pub(super) const SUBBANDS: usize = 32;

/// The window D, times 65536; the second half mirrors the first with the opposite sign, but for
/// multiples of 64 (table B.3).
#[rustfmt::skip]
const WINDOW: [i32; 257] = [
    0, -1, -1, -1, -1, -1, -1, -2, -2, -2, -2, -3, -3, -4, -4, -5, -5, -6, -7, -7, -8, -9, -10,
    -11, -13, -14, -16, -17, -19, -21, -24, -26, -29, -31, -35, -38, -41, -45, -49, -53, -58,
    -63, -68, -73, -79, -85, -91, -97, -104, -111, -117, -125, -132, -139, -147, -154, -161,
    -169, -176, -183, -190, -196, -202, -208, 213, 218, 222, 225, 227, 228, 228, 227, 224, 221,
    215, 208, 200, 189, 177, 163, 146, 127, 106, 83, 57, 29, -2, -36, -72, -111, -153, -197,
    -244, -294, -347, -401, -459, -519, -581, -645, -711, -779, -848, -919, -991, -1064, -1137,
    -1210, -1283, -1356, -1428, -1498, -1567, -1634, -1698, -1759, -1817, -1870, -1919, -1962,
    -2001, -2032, -2057, -2075, -2085, -2087, -2080, -2063, 2037, 2000, 1952, 1893, 1822, 1739,
    1644, 1535, 1414, 1280, 1131, 970, 794, 605, 402, 185, -45, -288, -545, -814, -1095, -1388,
    -1692, -2006, -2330, -2663, -3004, -3351, -3705, -4063, -4425, -4788, -5153, -5517, -5879,
    -6237, -6589, -6935, -7271, -7597, -7910, -8209, -8491, -8755, -8998, -9219, -9416, -9585,
    -9727, -9838, -9916, -9959, -9966, -9935, -9863, -9750, -9592, -9389, -9139, -8840, -8492,
    -8092, -7640, -7134, 6574, 5959, 5288, 4561, 3776, 2935, 2037, 1082, 70, -998, -2122, -3300,
    -4533, -5818, -7154, -8540, -9975, -11455, -12980, -14548, -16155, -17799, -19478, -21189,
    -22929, -24694, -26482, -28289, -30112, -31947, -33791, -35640, -37489, -39336, -41176,
    -43006, -44821, -46617, -48390, -50137, -51853, -53534, -55178, -56778, -58333, -59838,
    -61289, -62684, -64019, -65290, -66494, -67629, -68692, -69679, -70590, -71420, -72169,
    -72835, -73415, -73908, -74313, -74630, -74856, -74992, 75038,
];

/// Half of the subbands.
const HALF: usize = SUBBANDS / 2;

/// The cosines of the DCT by k for even and odd n, `[16, 16]`, and the window.
struct Tables {
    even: [[f32; HALF]; HALF],
    odd: [[f32; HALF]; HALF],
    window: [f32; 512],
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| Tables {
        even: std::array::from_fn(|k| std::array::from_fn(|m| cosine(2 * m, k))),
        odd: std::array::from_fn(|k| std::array::from_fn(|m| cosine(2 * m + 1, k))),
        window: std::array::from_fn(|i| {
            let value = if i <= 256 { WINDOW[i] } else { WINDOW[512 - i] };
            let sign = if i > 256 && i % 64 != 0 { -1.0 } else { 1.0 };
            sign * value as f32 / 65536.0
        }),
    })
}

fn cosine(n: usize, k: usize) -> f32 {
    ((n * (2 * k + 1)) as f64 * PI / 64.0).cos() as f32
}

/// State of the filter bank of one channel.
#[derive(Debug, Clone)]
pub(super) struct Synthesis {
    /// V, a ring of 16 vectors of 64.
    vectors: [[f32; 64]; 16],
    newest: usize,
}

impl Default for Synthesis {
    fn default() -> Self {
        Self { vectors: [[0.0; 64]; 16], newest: 0 }
    }
}

impl Synthesis {
    /// Computes the next 32 samples.
    pub(super) fn run(&mut self, subbands: &[f32; SUBBANDS], out: &mut [f32; SUBBANDS]) {
        let tables = tables();
        self.newest = (self.newest + 15) % 16;
        let transformed = dct(subbands, tables);
        let vector = &mut self.vectors[self.newest];
        vector[..16].copy_from_slice(&transformed[16..]);
        vector[16] = 0.0;
        for (value, t) in vector[17..49].iter_mut().zip(transformed.iter().rev()) {
            *value = -t;
        }
        for (value, t) in vector[49..].iter_mut().zip(&transformed[1..]) {
            *value = -t;
        }
        out.fill(0.0);
        for pair in 0..8 {
            let even = &self.vectors[(self.newest + 2 * pair) % 16][..32];
            let odd = &self.vectors[(self.newest + 2 * pair + 1) % 16][32..];
            let (first, second) = tables.window[64 * pair..64 * pair + 64].split_at(32);
            for (j, sample) in out.iter_mut().enumerate() {
                *sample += even[j] * first[j] + odd[j] * second[j];
            }
        }
    }
}

/// DCT-II without scaling.
fn dct(input: &[f32; SUBBANDS], tables: &Tables) -> [f32; SUBBANDS] {
    let (mut even, mut odd) = ([0.0; HALF], [0.0; HALF]);
    for (k, (even_row, odd_row)) in tables.even.iter().zip(&tables.odd).enumerate() {
        let (sum, difference) = (input[k] + input[SUBBANDS - 1 - k], input[k] - input[SUBBANDS - 1 - k]);
        for (t, cosine) in even.iter_mut().zip(even_row) {
            *t += cosine * sum;
        }
        for (t, cosine) in odd.iter_mut().zip(odd_row) {
            *t += cosine * difference;
        }
    }
    std::array::from_fn(|n| if n % 2 == 0 { even[n / 2] } else { odd[n / 2] })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector V of one slot against its definition in f64.
    #[test]
    fn the_matrixing_equals_its_definition() {
        let subbands: [f32; SUBBANDS] = std::array::from_fn(|k| ((k * k * 7 + 3) % 31) as f32 / 31.0 - 0.4);
        let mut synthesis = Synthesis::default();
        synthesis.run(&subbands, &mut [0.0; SUBBANDS]);
        for (i, value) in synthesis.vectors[synthesis.newest].iter().enumerate() {
            let term = |k: usize| (((16 + i) * (2 * k + 1)) as f64 * PI / 64.0).cos() * f64::from(subbands[k]);
            let expected: f64 = (0..SUBBANDS).map(term).sum();
            assert!((f64::from(*value) - expected).abs() < 1e-5, "V[{i}]: {value} instead of {expected}");
        }
    }
}
