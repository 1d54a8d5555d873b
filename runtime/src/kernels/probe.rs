//! What the machine can do at best, measured beside a network.

use super::blocked::per_vector;
use crate::simd::Vector;

/// Independent sums: enough to hide the latency of a multiply-add on two ports.
const CHAINS: usize = 12;

per_vector! {
    /// Multiply-adds on registers alone, `rounds` times [`Isa::probe_flops`](crate::Isa::probe_flops) operations; `y` takes the result.
    pub fn probe_multiply_add(rounds: usize, y: &mut [f32]) = multiply_add, where assert!(y.len() >= 16);

    /// Reads all elements, as fast as memory gives them; `y` takes sums of some.
    pub fn probe_read(x: &[f32], y: &mut [f32]) = read, where assert!(y.len() >= 16);
}

impl crate::Isa {
    /// Floating-point operations of a round of [`probe_multiply_add`](Self::probe_multiply_add).
    pub fn probe_flops(self) -> usize {
        let lanes = match self.name() {
            "avx2" => 8,
            "neon" => 4,
            _ => 16,
        };
        CHAINS * lanes * 2
    }
}

/// # Safety
/// The vector's instructions are there, and `y` has sixteen floats.
#[inline(always)]
unsafe fn multiply_add<V: Vector, const G: usize>(rounds: usize, y: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe {
        let (a, b) = (V::splat(core::hint::black_box(1e-9)), V::splat(core::hint::black_box(0.5)));
        let mut sums = [V::zero(); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = sum.fma(a, b);
            }
        }
        let all = sums.into_iter().fold(V::zero(), |all, sum| all.add(sum));
        all.store(y.as_mut_ptr());
    }
}

/// # Safety
/// The vector's instructions are there, and `y` has sixteen floats.
#[inline(always)]
unsafe fn read<V: Vector, const G: usize>(x: &[f32], y: &mut [f32]) {
    // SAFETY: vectors lie in their chunks, and the caller's promise.
    unsafe {
        let mut sums = [V::zero(); 8];
        for chunk in x.chunks_exact(8 * V::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(V::load(chunk.as_ptr().add(i * V::LANES)));
            }
        }
        let all = sums.into_iter().fold(V::zero(), |all, sum| all.add(sum));
        all.store(y.as_mut_ptr());
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{everywhere, numbers, wide};

    #[test]
    fn probes_stay_in_their_memory() {
        for (isa, edge) in everywhere() {
            let mut y = edge.unset(16);
            isa.probe_multiply_add(3, &mut y);
            assert!(y[0] > 0.0);
            // Vectors that are not whole are left out.
            for len in [0, 127, 128, 129, 1024] {
                let (x, mut y) = (edge.of(&numbers(1, len)), edge.of(&[0.0; 16]));
                isa.probe_read(&x, &mut y);
                let (got, sum) = (wide(&y).iter().sum::<f64>(), wide(&x).iter().sum::<f64>());
                assert!(len % 128 != 0 || (got - sum).abs() < 1e-3, "{isa:?}: {got} instead of {sum}");
            }
        }
    }
}
