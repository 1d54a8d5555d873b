//! burn: its tensors, on the CPU device in Rust that it recommends.

use burn::tensor::activation::{leaky_relu, relu, softmax, tanh};
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d, conv2d, linear, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};

use crate::Result;
use crate::graph::{Constant, Operators, Window};

pub struct Burn(Device);

impl Default for Burn {
    fn default() -> Self {
        Self(Device::flex())
    }
}

/// A convolution: weight, bias, window.
pub struct Conv(Tensor<4>, Tensor<1>, ConvOptions<2>);
/// A layer of weighted sums: weight, inputs first, and bias.
pub struct Dense(Tensor<2>, Tensor<1>);

impl Burn {
    fn tensor<const D: usize>(&self, constant: Constant) -> Tensor<D> {
        Tensor::from_data(TensorData::new(constant.floats, constant.shape), &self.0)
    }
}

impl Operators for Burn {
    type Value = Tensor<4>;
    type Conv = Conv;
    type Dense = Dense;

    fn value(&self, shape: [usize; 4], floats: &[f32]) -> Result<Tensor<4>> {
        Ok(self.tensor(Constant { shape: shape.to_vec(), floats: floats.to_vec() }))
    }

    fn floats(&self, x: Tensor<4>) -> Result<Vec<f32>> {
        x.into_data().try_into_vec().map_err(|e| format!("{e:?}").into())
    }

    fn conv(&self, weight: Constant, bias: Constant, window: Window) -> Result<Conv> {
        let options = ConvOptions { stride: window.stride, padding: window.pads, dilation: [1, 1], groups: 1 };
        Ok(Conv(self.tensor(weight), self.tensor(bias), options))
    }

    fn dense(&self, weight: Constant, bias: Constant) -> Result<Dense> {
        let turned: Tensor<2> = self.tensor::<2>(weight).transpose();
        let dims = turned.dims();
        // Laid out anew, as burn's own layers keep it.
        let weight = Tensor::from_data(
            TensorData::new(turned.into_data().try_into_vec::<f32>().map_err(|e| format!("{e:?}"))?, dims),
            &self.0,
        );
        Ok(Dense(weight, self.tensor(bias)))
    }

    fn apply_conv(&self, conv: &Conv, x: Tensor<4>) -> Result<Tensor<4>> {
        Ok(conv2d(x, conv.0.clone(), Some(conv.1.clone()), conv.2.clone()))
    }

    fn apply_dense(&self, dense: &Dense, x: Tensor<4>) -> Result<Tensor<4>> {
        let [images, channels, ..] = x.dims();
        let y = linear(x.reshape([images, channels]), dense.0.clone(), Some(dense.1.clone()));
        let outputs = y.dims()[1];
        Ok(y.reshape([images, outputs, 1, 1]))
    }

    fn max_pool(&self, x: Tensor<4>, window: &Window) -> Result<Tensor<4>> {
        let Window { size, stride, pads, ceil } = *window;
        let options = MaxPoolOptions { kernel_size: size, stride, padding: pads, dilation: [1, 1], ceil_mode: ceil };
        Ok(max_pool2d(x, options))
    }

    fn average_pool(&self, x: Tensor<4>, window: &Window) -> Result<Tensor<4>> {
        let Window { size, stride, pads, ceil } = *window;
        let options =
            AvgPoolOptions { kernel_size: size, stride, padding: pads, count_include_pad: true, ceil_mode: ceil };
        Ok(avg_pool2d(x, options))
    }

    fn global_average_pool(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        Ok(adaptive_avg_pool2d(x, [1, 1]))
    }

    fn relu(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        Ok(relu(x))
    }

    fn leaky_relu(&self, x: Tensor<4>, slope: f32) -> Result<Tensor<4>> {
        Ok(leaky_relu(x, f64::from(slope)))
    }

    fn tanh(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        Ok(tanh(x))
    }

    fn softmax(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        Ok(softmax(x, 1))
    }

    fn add(&self, a: Tensor<4>, b: Tensor<4>) -> Result<Tensor<4>> {
        Ok(a + b)
    }

    fn concat(&self, parts: Vec<Tensor<4>>) -> Result<Tensor<4>> {
        Ok(Tensor::cat(parts, 1))
    }

    fn flatten(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        let [images, channels, height, width] = x.dims();
        Ok(x.reshape([images, channels * height * width, 1, 1]))
    }

    fn space_to_depth(&self, x: Tensor<4>, block: usize) -> Result<Tensor<4>> {
        let [images, channels, height, width] = x.dims();
        let [height, width] = [height / block, width / block];
        let x: Tensor<6> = x.reshape([images, channels, height, block, width, block]).permute([0, 1, 3, 5, 2, 4]);
        Ok(x.reshape([images, channels * block * block, height, width]))
    }

    fn skip(&self, x: Tensor<4>, axis: usize, count: usize) -> Result<Tensor<4>> {
        let length = x.dims()[axis] - count;
        Ok(x.narrow(axis, count, length))
    }
}
