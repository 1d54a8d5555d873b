//! How many floats sizes and distances reach over: what kernels ask before they leave safe code.

/// The sum of some products; the largest number where that does not fit. Sizes beyond any memory must not wrap around to
/// small ones, which they would in release builds.
pub(super) fn extent<const FACTORS: usize, const TERMS: usize>(terms: [[usize; FACTORS]; TERMS]) -> usize {
    let products = terms.map(|factors| factors.into_iter().fold(1, usize::saturating_mul));
    products.into_iter().fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_products_do_not_wrap_around() {
        assert_eq!(extent([[2, 3], [4, 5]]), 26);
        assert_eq!(extent([[usize::MAX / 2 + 1, 2], [4, 5]]), usize::MAX);
        assert_eq!(extent([[1 << 40, 1 << 40, 16]]), usize::MAX);
        assert_eq!(extent([[usize::MAX, 1], [1, 1]]), usize::MAX);
        assert_eq!(extent([[usize::MAX, 0], [1, 1]]), 1);
    }
}
