//! Convolution of blocked tensors, by register tiles over sixteen channels, and its gradient by the weights.
//!
//! Lowering puts these in the place of `conv` and its gradients where they pay. The gradient by the input needs no operator
//! of its own: it is a convolution with turned weights.

mod direct;
mod grad_weight;
mod lean;
mod pooled;
mod stacks;
pub mod winograd;
mod winograd_grad_weight;

pub use grad_weight::TileConvGradWeight;
pub use stacks::IMAGES;
pub use winograd_grad_weight::pays as grad_weight_pays;

use proc_macro2::TokenStream;
use quote::quote;
use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::conv::Conv;
use super::pool::Pool;
use super::window::Window;
use super::{Cut, Gradient, Kernel, KernelContext, Mismatch, Operator};
use crate::graph::{BLOCK, Layout, Type, show_shape};
use crate::reference::{Evaluation, Tensor};

/// A convolution. Operands: x, packed weights, a blocked bias where there is one, a shortcut where there is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TileConv {
    /// The window, over one or two axes.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether another value is added.
    pub shortcut: bool,
    /// Applied at the end.
    pub activation: Option<Activation>,
    /// Behind all of this, a pool over windows that do not overlap: only what it leaves is written to memory.
    pub pool: Option<Pool>,
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Strips that an image is cut into, of about as many rows of pixels or of Winograd's tiles each; a task computes one.
    pub strips: usize,
    /// Images of a task, which are more than one where they are small.
    pub images: usize,
    /// Blocks of filters that a task computes.
    pub planes: usize,
    /// Multiply-adds of the convolution as it was written, where this one, which stands for it, has zeros among its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macs: Option<u64>,
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Tiles of 16 filters × 28 pixels over all channels and taps.
    Direct,
    /// Winograd's F(4×4, 3×3), F(3×3, 4×4) or F(2×2, 5×5), or F(2×2, 3×3) of windows with a stride, strip by strip: tiles are
    /// transformed where they are used.
    WinogradStrips,
    /// The same of an operand that has been transformed as a whole, for weights that no cache holds. Of windows with a stride there
    /// are small tiles only.
    WinogradTiles,
    /// The same in tiles of 2×2 pixels, F(2×2, 3×3): more products, but less than half of the weights to bring from memory, and
    /// where maps are small more tiles, which hide the latency of multiply-adds.
    WinogradSmallTiles,
    /// As `WinogradTiles`, but every task transforms the weights of its filters itself: at best a quarter of the memory, and for
    /// one image some more time; all images of a batch share that.
    WinogradTilesLean,
    /// As `WinogradSmallTiles`, likewise.
    WinogradSmallTilesLean,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Direct,
        Self::WinogradStrips,
        Self::WinogradTiles,
        Self::WinogradSmallTiles,
        Self::WinogradTilesLean,
        Self::WinogradSmallTilesLean,
    ];

    /// Whether its operand is transformed as a whole beforehand.
    pub fn takes_tiles(self) -> bool {
        !matches!(self, Self::Direct | Self::WinogradStrips)
    }

    /// Whether its weights are transformed beforehand.
    pub fn takes_transformed_weights(self) -> bool {
        matches!(self, Self::WinogradStrips | Self::WinogradTiles | Self::WinogradSmallTiles)
    }

    /// Whether it takes [tiles](Self::takes_tiles) and transforms its weights itself.
    pub fn is_lean(self) -> bool {
        self.takes_tiles() && !self.takes_transformed_weights()
    }

    /// Whether it is one of those with small tiles.
    pub fn has_small_tiles(self) -> bool {
        matches!(self, Self::WinogradSmallTiles | Self::WinogradSmallTilesLean)
    }

    /// Its name in plan files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::WinogradStrips => "winograd_strips",
            Self::WinogradTiles => "winograd_tiles",
            Self::WinogradSmallTiles => "winograd_small_tiles",
            Self::WinogradTilesLean => "winograd_tiles_lean",
            Self::WinogradSmallTilesLean => "winograd_small_tiles_lean",
        }
    }
}

/// Rows and columns, of one row where there is one axis.
pub(super) fn two(numbers: &[usize], one: usize) -> [usize; 2] {
    if numbers.len() == 1 { [one, numbers[0]] } else { [numbers[0], numbers[1]] }
}

impl TileConv {
    /// Operands before a shortcut.
    fn operands(&self) -> usize {
        2 + usize::from(self.bias)
    }

    /// What is done with sums of products; a shortcut is read `from` there on in its operand.
    fn finish(&self, from: &TokenStream) -> TokenStream {
        let bias = if self.bias { quote!(Some(&x2[block * 16..])) } else { quote!(None) };
        let operand = quote::format_ident!("x{}", self.operands());
        let add = if self.shortcut { quote!(Some(&#operand #from)) } else { quote!(None) };
        let slope = self.activation.and_then(Activation::slope_tokens).unwrap_or(quote!(rt::Slope::One));
        quote!(rt::Finish { bias: #bias, add: #add, slope: #slope })
    }

    /// What the tile does not apply itself.
    fn activate(&self) -> TokenStream {
        let activate = self.activate_floats(&quote!(y.plane(block)));
        if activate.is_empty() {
            return activate;
        }
        quote! {
            for block in y.planes() {
                #activate
            }
        }
    }

    /// The same of some floats.
    fn activate_floats(&self, floats: &TokenStream) -> TokenStream {
        match self.activation.filter(|a| a.slope_tokens().is_none()) {
            None => quote!(),
            Some(activation) => {
                let activation = activation.tokens();
                quote!(isa.activate(#activation, #floats);)
            }
        }
    }

    /// The same convolution without what is fused.
    fn bare(&self) -> Conv {
        Conv { window: self.window.clone(), groups: self.groups, activation: None }
    }

    /// What it would compute of these without the pool.
    fn unpooled_or(&self, x: &Type, w: &Type) -> Result<Type, Mismatch> {
        Ok(self.bare().infer(&[&x.laid_out(Layout::Plain), &w.laid_out(Layout::Plain)])?.laid_out(Layout::Blocked))
    }

    /// What it computes of these operands in front of the pool.
    pub fn unpooled(&self, x: &Type, w: &Type) -> Type {
        self.unpooled_or(x, w).expect("as inferred")
    }
}

impl Operator for TileConv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let (x, w) = (inputs[0], inputs[1]);
        let points = winograd::points(self.algorithm, self.window.stride[0]);
        let weights = match self.algorithm {
            Algorithm::Direct if x.layout.is_plain() => Layout::Packed { lanes: 1 },
            algorithm if algorithm.takes_transformed_weights() => Layout::WinogradWeights { points },
            _ => Layout::Packed { lanes: BLOCK },
        };
        let values = match (self.algorithm, x.layout) {
            (Algorithm::Direct, Layout::Plain) | (Algorithm::Direct | Algorithm::WinogradStrips, Layout::Blocked) => {
                true
            }
            (algorithm, Layout::WinogradTiles { points: of_tiles, .. }) => {
                algorithm.takes_tiles() && points == of_tiles
            }
            _ => false,
        };
        let known = match self.algorithm {
            Algorithm::Direct => true,
            algorithm => winograd::fits(algorithm, &self.window),
        };
        let alone = self.images == 1 || self.algorithm == Algorithm::WinogradStrips && self.strips == 1;
        let fits = w.layout == weights && values && known && alone;
        let y = self.unpooled_or(x, w)?;
        let shortcut = !self.shortcut || inputs.last().is_some_and(|s| **s == y);
        let pooled = match &self.pool {
            None => Some(y),
            Some(pool) if pooled::fits(self, pool, &y) => Some(pool.infer(&[&y])?),
            Some(_) => None,
        };
        let count = self.operands() + usize::from(self.shortcut);
        let Some(y) = pooled.filter(|_| {
            fits && shortcut && inputs.len() == count && [self.strips, self.images, self.planes].iter().all(|n| *n > 0)
        }) else {
            return Err(Mismatch::new("layout-C2", "a convolution of tiles does not work on these")
                .found(format!("{x} and {w}"))
                .fits("what lowering makes"));
        };
        Ok(y)
    }

    fn knows_layouts(&self) -> bool {
        true
    }

    fn macs(&self, inputs: &[&Type], output: &Type) -> u64 {
        match (self.macs, &self.pool) {
            (Some(macs), _) => macs,
            (None, None) => self.bare().macs(inputs, output),
            (None, Some(_)) => self.bare().macs(inputs, &self.unpooled(inputs[0], inputs[1])),
        }
    }

    /// Lowering comes after differentiation.
    fn gradient(&self, _cx: &mut Gradient<'_>) {}

    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
        let operands = self.operands();
        let (inputs, types) = (cx.inputs[..operands].to_vec(), cx.types[..operands].to_vec());
        let unpooled = self.unpooled(types[0], types[1]);
        let mut y = self.bare().evaluate(&Evaluation { inputs, types, output: &unpooled, feed: cx.feed });
        if self.shortcut {
            y = y.zip(cx.inputs[operands], |y, s| y + s);
        }
        if let Some(activation) = self.activation {
            y = y.map(|y| activation.value(y));
        }
        match &self.pool {
            None => y,
            Some(pool) => {
                let (inputs, types) = (vec![&y], vec![&unpooled]);
                pool.evaluate(&Evaluation { inputs, types, output: cx.output, feed: cx.feed })
            }
        }
    }

    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
        let (x, y) = (&cx.inputs[0], cx.output);
        let shape = |t: &Type| t.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let taps = self.window.kernel.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let group = if self.groups > 1 { format!("_g{}", self.groups) } else { String::new() };
        let mut name = format!("conv_{taps}{group}_{}_to_{}", shape(x), shape(y));
        let mut doc =
            format!(" Convolution {}: {} → {}", self.window.show(), show_shape(&x.shape), show_shape(&y.shape));
        if self.groups > 1 {
            doc += &format!(", {} groups", self.groups);
        }
        for (there, what) in [(self.bias, "bias"), (self.shortcut, "shortcut")] {
            if there {
                doc += &format!(", {what}");
            }
        }
        if self.shortcut {
            name += "_add";
        }
        if let Some(activation) = self.activation {
            name += &format!("_{}", activation.name());
            doc += &format!(", {}", activation.name());
        }
        if let Some(pool) = &self.pool {
            name += &format!("_{}", pool.named());
            doc += &format!(", {} of {}", pool.named(), pool.window.show());
        }
        let kernel = match self.algorithm {
            Algorithm::Direct => direct::kernel(self, cx, &name),
            Algorithm::WinogradStrips if self.images > 1 => stacks::kernel(self, cx, &format!("winograd_{name}")),
            Algorithm::WinogradStrips => winograd::strips(self, cx, &format!("winograd_{name}")),
            algorithm if algorithm.is_lean() => lean::kernel(self, cx, &format!("winograd_lean_{name}")),
            _ => winograd::tiles(self, cx, &format!("winograd_{name}")),
        };
        let how = match self.algorithm {
            Algorithm::Direct => "tiles of 16 filters",
            _ if self.window.kernel == [5, 5] => "Winograd's F(2×2, 5×5)",
            _ if self.window.kernel == [4, 4] => "Winograd's F(3×3, 4×4)",
            _ if self.window.stride == [2, 2] => "Winograd's F(2×2, 3×3) with a stride",
            algorithm if algorithm.has_small_tiles() => "Winograd's F(2×2, 3×3)",
            _ => "Winograd's F(4×4, 3×3)",
        };
        Kernel { docs: vec![format!("{doc}; {how}.")], ..kernel }
    }
}

/// A task's share of the output: one of so many strips of whole rows, each of so many rows of pixels.
pub(super) fn cut(y: &Type, height: usize, strips: usize, planes: usize) -> Cut {
    let row = height * two(y.spatial(), 1)[1] * BLOCK;
    let plane = y.floats() / y.blocks();
    Cut { plane, row, strips: strips.min(plane.div_ceil(row)), planes: planes.min(y.blocks()) }
}

/// A task's share of the output where it has all rows.
pub(super) fn whole(y: &Type, planes: usize) -> Cut {
    Cut::whole(y.floats() / y.blocks(), planes.min(y.blocks()))
}
