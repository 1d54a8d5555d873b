//! Operators, each defined once.
//!
//! A file of this folder holds an operator (or a family that shares its rules): what users may write and what it means
//! ([`Definition`]), the rules its operands must obey and the type of its value, its cost, its gradient as graph nodes,
//! its reference semantics in `f64`, and the kernel that computes it in emitted code. The list at the end of this file
//! makes the [`Op`] enum, the dispatch, the names of the language and the reference page.
//!
//! To add an operator: write its file, its kernel in `cnnc-runtime`, a line in each of the two lists below, and a spec
//! that uses it.

mod call;
mod definition;
mod gradient;
mod kernel;
mod mismatch;

pub(crate) use call::whole;
pub use call::{Argument, Call};
pub use definition::{Attribute, Definition};
pub use gradient::Gradient;
pub use kernel::{Cut, Kernel, KernelContext, Split};
pub use meant::{WRITTEN, meant, written};
pub use mismatch::Mismatch;

use serde::Serialize;

use crate::graph::Type;
use crate::reference::{Evaluation, Tensor};

/// What a node computes.
///
/// All methods but [`kernel`](Self::kernel) and [`gradient`](Self::gradient) may be called with operands that
/// [`infer`](Self::infer) accepts; `infer` with any.
pub trait Operator: Clone + std::fmt::Debug + PartialEq {
    /// The name that dumps and messages show, `conv`.
    fn name(&self) -> &'static str;

    /// The rules of the operands and the type of the value.
    fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch>;

    /// Multiply-accumulates of one image (or of the whole, where unbatched). Only products of a weight with a value
    /// count, as counting tools do.
    fn macs(&self, _inputs: &[&Type], _output: &Type) -> u64 {
        0
    }

    /// Whether the kernel also works on blocked tensors: then all batched operands are, and the value is if it is batched.
    fn takes_blocks(&self, _inputs: &[&Type]) -> bool {
        false
    }

    /// Whether operands and value have layouts that [`infer`](Self::infer) alone knows.
    fn knows_layouts(&self) -> bool {
        false
    }

    /// Adds the gradient of the operands to the graph, given that of the value.
    fn gradient(&self, cx: &mut Gradient<'_>);

    /// The value in `f64`, written for clarity.
    fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor;

    /// How emitted code computes it. Only called for operators that need code (not inputs, weights and views).
    fn kernel(&self, cx: &KernelContext<'_>) -> Kernel;
}

/// Makes the [`Op`] enum from the operator types and delegates to them.
macro_rules! operators {
    ($($(#[$doc:meta])* $name:ident($ty:ty),)*) => {
        /// Every operator of the graph, those users write and those only passes make.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Op {
            $($(#[$doc])* $name($ty),)*
        }

        impl Op {
            /// See [`Operator::name`].
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(op) => op.name(),)* }
            }

            /// See [`Operator::infer`].
            pub fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
                match self { $(Self::$name(op) => op.infer(inputs),)* }
            }

            /// See [`Operator::macs`].
            pub fn macs(&self, inputs: &[&Type], output: &Type) -> u64 {
                match self { $(Self::$name(op) => op.macs(inputs, output),)* }
            }

            /// See [`Operator::takes_blocks`].
            pub fn takes_blocks(&self, inputs: &[&Type]) -> bool {
                match self { $(Self::$name(op) => op.takes_blocks(inputs),)* }
            }

            /// See [`Operator::knows_layouts`].
            pub fn knows_layouts(&self) -> bool {
                match self { $(Self::$name(op) => op.knows_layouts(),)* }
            }

            /// See [`Operator::gradient`].
            pub fn gradient(&self, cx: &mut Gradient<'_>) {
                match self { $(Self::$name(op) => op.gradient(cx),)* }
            }

            /// See [`Operator::evaluate`].
            pub fn evaluate(&self, cx: &Evaluation<'_>) -> Tensor {
                match self { $(Self::$name(op) => op.evaluate(cx),)* }
            }

            /// See [`Operator::kernel`].
            pub fn kernel(&self, cx: &KernelContext<'_>) -> Kernel {
                match self { $(Self::$name(op) => op.kernel(cx),)* }
            }
        }

        $(impl From<$ty> for Op {
            fn from(op: $ty) -> Self { Self::$name(op) }
        })*
    };
}

pub mod activation;
pub mod adaptive_pool;
pub mod along;
pub mod batch_norm;
pub mod boxes;
mod compose;
pub mod conv;
mod conv_shifted;
pub mod conv_transpose;
pub mod convolutionalize;
pub mod copy;
pub mod cross_entropy;
pub mod dense;
pub mod dropout;
pub mod elementwise;
pub mod filter;
pub mod gram;
pub mod hard_swish;
pub mod layout;
pub mod likeness;
pub mod literal;
pub mod local_conv;
pub mod loss;
pub mod lrn;
pub mod max_unpool;
mod meant;
pub mod norm;
pub mod one_hot;
pub mod pack;
pub mod pad;
pub mod perceptual;
pub mod phases;
pub mod places;
pub mod pointwise;
pub mod pool;
pub mod prelu;
pub mod rcnn;
pub mod reduce;
pub mod regression;
pub mod roi;
pub mod scale;
pub mod shape;
pub mod shapes;
pub mod softmax;
pub mod source;
pub mod space_to_depth;
pub mod split;
pub mod tile_conv;
pub mod transpose;
pub mod upsample;
pub mod weight;
pub mod window;
pub mod yolo;

operators! {
    /// An input of the network.
    Input(source::Input),
    /// A target of the loss.
    Target(source::Target),
    /// A weight or a buffer.
    Param(source::ParamRef),
    /// relu, relu6, leaky_relu, tanh, sigmoid.
    Activation(activation::Activation),
    /// The gradient of an activation, from its value.
    ActivationGrad(activation::ActivationGrad),
    /// hard_swish.
    HardSwish(hard_swish::HardSwish),
    /// Its gradient.
    HardSwishGrad(hard_swish::HardSwishGrad),
    /// elu, silu, gelu and other functions of one number.
    Pointwise(pointwise::Pointwise),
    /// The gradient of one, from its operand.
    PointwiseGrad(pointwise::PointwiseGrad),
    /// prelu.
    Prelu(prelu::Prelu),
    /// Its gradient by the input.
    PreluGrad(prelu::PreluGrad),
    /// Its gradient by the slopes.
    PreluGradWeight(prelu::PreluGradWeight),
    /// Convolution.
    Conv(conv::Conv),
    /// Transposed convolution, also the gradient by the input.
    ConvTranspose(conv_transpose::ConvTranspose),
    /// Its gradient by the weights.
    ConvGradWeight(conv::ConvGradWeight),
    /// The same values in another layout.
    Reorder(layout::Reorder),
    /// Weights as tiles read them.
    Pack(pack::Pack),
    /// Their gradient in plain order.
    Unpack(pack::Unpack),
    /// Tiles in Winograd's space of products.
    WinogradTiles(layout::WinogradTiles),
    /// Zeros between the elements: what a stride skipped.
    Spread(layout::Spread),
    /// What a stride does not skip, side by side.
    Pick(layout::Pick),
    /// A stride's phases as channels.
    Phases(phases::Phases),
    /// Convolution of blocked tensors.
    TileConv(tile_conv::TileConv),
    /// Its gradient by the weights.
    TileConvGradWeight(tile_conv::TileConvGradWeight),
    /// Sums over images and space: the gradient of a bias.
    ChannelSum(conv::ChannelSum),
    /// local_conv.
    LocalConv(local_conv::LocalConv),
    /// Its gradient by the input.
    LocalConvGradInput(local_conv::LocalConvGradInput),
    /// Its gradient by the weights.
    LocalConvGradWeight(local_conv::LocalConvGradWeight),
    /// Fully connected layer.
    Dense(dense::Dense),
    /// Its gradient by the input.
    DenseGradInput(dense::DenseGradInput),
    /// Its gradient by the weights.
    DenseGradWeight(dense::DenseGradWeight),
    /// max_pool and avg_pool.
    Pool(pool::Pool),
    /// The gradient of max_pool, and max_unpool.
    MaxPoolGrad(pool::MaxPoolGrad),
    /// The gradient of avg_pool.
    AvgPoolGrad(pool::AvgPoolGrad),
    /// The gradient of max_unpool.
    Switched(max_unpool::Switched),
    /// adaptive_avg_pool and adaptive_max_pool.
    AdaptivePool(adaptive_pool::AdaptivePool),
    /// The gradient of one.
    AdaptivePoolGrad(adaptive_pool::AdaptivePoolGrad),
    /// space_to_depth.
    SpaceToDepth(space_to_depth::SpaceToDepth),
    /// depth_to_space.
    DepthToSpace(space_to_depth::DepthToSpace),
    /// Batch normalisation with running statistics.
    BatchNorm(batch_norm::BatchNorm),
    /// Its gradient by the input, where it is frozen.
    BatchNormGrad(batch_norm::BatchNormGrad),
    /// Means and sums of squares of one image.
    Moments(batch_norm::Moments),
    /// Mean and variance over the batch.
    BatchStats(batch_norm::BatchStats),
    /// Normalisation by the statistics of the batch.
    Normalize(batch_norm::Normalize),
    /// Sums that its gradients share.
    NormalizeSums(batch_norm::NormalizeSums),
    /// Those of the batch.
    BatchSums(batch_norm::BatchSums),
    /// Its gradient by the input.
    NormalizeGrad(batch_norm::NormalizeGrad),
    /// A column of a table of statistics.
    Column(batch_norm::Column),
    /// Running statistics after a step.
    RunningUpdate(batch_norm::RunningUpdate),
    /// Weights with a batch normalisation folded in.
    FoldWeight(batch_norm::FoldWeight),
    /// A bias with a batch normalisation folded in.
    FoldBias(batch_norm::FoldBias),
    /// lrn.
    Lrn(lrn::Lrn),
    /// Its gradient.
    LrnGrad(lrn::LrnGrad),
    /// dropout and drop_path.
    Dropout(dropout::Dropout),
    /// add, sub, mul, div.
    Arithmetic(elementwise::Arithmetic),
    /// factor · x + offset.
    Affine(elementwise::Affine),
    /// The sum of several values of one type.
    AddN(elementwise::AddN),
    /// A constant.
    Fill(elementwise::Fill),
    /// Numbers of the specification.
    Literal(literal::Literal),
    /// one_hot.
    OneHot(one_hot::OneHot),
    /// A view under another shape.
    Reshape(shape::Reshape),
    /// Values behind one another.
    Concat(shape::Concat),
    /// A range of an axis.
    Slice(shape::Slice),
    /// The same values and others around them.
    Pad(pad::Pad),
    /// Its gradient.
    PadGrad(pad::PadGrad),
    /// Axes in another order.
    Transpose(transpose::Transpose),
    /// upsample.
    Upsample(upsample::Upsample),
    /// Its gradient.
    UpsampleGrad(upsample::UpsampleGrad),
    /// Sums along axes: also the gradient of repetition.
    SumTo(reduce::SumTo),
    /// The largest element along axes.
    MaxTo(reduce::MaxTo),
    /// Its gradient.
    MaxToGrad(reduce::MaxToGrad),
    /// l2_normalize, layer_norm and group_norm without weights.
    Norm(norm::Norm),
    /// Its gradient.
    NormGrad(norm::NormGrad),
    /// gram.
    Gram(gram::Gram),
    /// Its gradient.
    GramGrad(gram::GramGrad),
    /// roi_pool and roi_align.
    Roi(roi::Roi),
    /// Their gradient.
    RoiGrad(roi::RoiGrad),
    /// yolo_decode.
    YoloDecode(yolo::YoloDecode),
    /// Its gradient.
    YoloDecodeGrad(yolo::YoloDecodeGrad),
    /// yolo_v1, yolo_v2, yolo_v3.
    YoloLoss(yolo::YoloLoss),
    /// Their gradient.
    YoloLossGrad(yolo::YoloLossGrad),
    /// proposals.
    Proposals(rcnn::Proposals),
    /// rpn.
    Rpn(rcnn::Rpn),
    /// Its gradient.
    RpnGrad(rcnn::RpnGrad),
    /// fast_rcnn.
    FastRcnn(rcnn::FastRcnn),
    /// Its gradient.
    FastRcnnGrad(rcnn::FastRcnnGrad),
    /// A value in memory of its own.
    Copy(copy::Copy),
    /// softmax and log_softmax.
    Softmax(softmax::Softmax),
    /// Its gradient.
    SoftmaxGrad(softmax::SoftmaxGrad),
    /// A loss of one image.
    Loss(loss::Loss),
    /// Its gradient.
    LossGrad(loss::LossGrad),
    /// cross_entropy of maps, and of classes that are smoothed, weighted or left out.
    CrossEntropyMap(cross_entropy::CrossEntropyMap),
    /// Its gradient.
    CrossEntropyMapGrad(cross_entropy::CrossEntropyMapGrad),
    /// The gradient of binary_cross_entropy by its target.
    BinaryCrossEntropyTargetGrad(loss::BinaryCrossEntropyTargetGrad),
    /// cross_entropy and its gradient at once.
    SoftmaxCrossEntropy(loss::SoftmaxCrossEntropy),
    /// The mean over the batch.
    BatchMean(loss::BatchMean),
    /// Its gradient.
    BatchSpread(loss::BatchSpread),
}

/// What users may call, in the order of the reference page.
pub static DEFINITIONS: &[&Definition] = &[
    &conv::CONV,
    &conv_transpose::CONV_TRANSPOSE,
    &filter::FILTER,
    &local_conv::LOCAL_CONV,
    &convolutionalize::CONVOLUTIONALIZE,
    &dense::DENSE,
    &pool::MAX_POOL,
    &pool::AVG_POOL,
    &pool::GLOBAL_AVG_POOL,
    &pool::GLOBAL_MAX_POOL,
    &adaptive_pool::ADAPTIVE_AVG_POOL,
    &adaptive_pool::ADAPTIVE_MAX_POOL,
    &max_unpool::MAX_UNPOOL,
    &batch_norm::BATCH_NORM,
    &lrn::LRN,
    &norm::LAYER_NORM,
    &norm::GROUP_NORM,
    &norm::L2_NORMALIZE,
    &scale::SCALE,
    &weight::WEIGHT,
    &dropout::DROPOUT,
    &dropout::DROP_PATH,
    &activation::RELU,
    &activation::RELU6,
    &activation::LEAKY_RELU,
    &prelu::PRELU,
    &pointwise::ELU,
    &activation::TANH,
    &activation::SIGMOID,
    &hard_swish::HARD_SWISH,
    &pointwise::HARD_SIGMOID,
    &pointwise::SILU,
    &pointwise::GELU,
    &pointwise::SOFTPLUS,
    &pointwise::ABS,
    &pointwise::SQUARE,
    &pointwise::SQRT,
    &pointwise::EXP,
    &pointwise::LOG,
    &pointwise::CLAMP,
    &softmax::SOFTMAX,
    &softmax::LOG_SOFTMAX,
    &elementwise::ADD,
    &elementwise::SUB,
    &elementwise::MUL,
    &elementwise::DIV,
    &reduce::SUM,
    &reduce::MEAN,
    &reduce::MAX,
    &gram::GRAM,
    &upsample::UPSAMPLE,
    &space_to_depth::SPACE_TO_DEPTH,
    &space_to_depth::DEPTH_TO_SPACE,
    &shape::CONCAT,
    &shape::FLATTEN,
    &shape::RESHAPE,
    &transpose::TRANSPOSE,
    &transpose::CHANNEL_SHUFFLE,
    &split::SLICE,
    &split::SPLIT,
    &pad::PAD,
    &one_hot::ONE_HOT,
    &cross_entropy::CROSS_ENTROPY,
    &loss::BINARY_CROSS_ENTROPY,
    &regression::BINARY_CROSS_ENTROPY_WITH_LOGITS,
    &loss::MSE,
    &regression::L1,
    &regression::SMOOTH_L1,
    &likeness::TRIPLET,
    &likeness::CONTRASTIVE,
    &places::LANDMARK,
    &places::LOCALIZATION,
    &perceptual::CONTENT,
    &perceptual::STYLE,
    &perceptual::TOTAL_VARIATION,
    &roi::ROI_POOL,
    &roi::ROI_ALIGN,
    &yolo::YOLO_DECODE,
    &yolo::YOLO_V1,
    &yolo::YOLO_V2,
    &yolo::YOLO_V3,
    &rcnn::PROPOSALS,
    &rcnn::RPN,
    &rcnn::FAST_RCNN,
];

/// The definition users call by `name`.
pub fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().copied().find(|d| d.name == name)
}
