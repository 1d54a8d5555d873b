//! candle: its own layers and operators, on its own matrix products.

use candle_core::{D, Device, Module, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, Linear};

use crate::Result;
use crate::graph::{Constant, Operators, Window};

pub struct Candle;

fn tensor(constant: &Constant) -> Result<Tensor> {
    Ok(Tensor::from_slice(&constant.floats, &constant.shape[..], &Device::Cpu)?)
}

/// Rows or columns that never hold a maximum, to go beside a tensor.
fn border(x: &Tensor, axis: usize, count: usize) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    shape[axis] = count;
    Ok(Tensor::full(f32::MIN, shape, &Device::Cpu)?)
}

/// The tensor between borders, since pools of candle have no padding.
fn padded(mut x: Tensor, window: &Window) -> Result<Tensor> {
    for (i, (before, after)) in window.pads.into_iter().enumerate() {
        let size = x.dim(2 + i)? + before + after;
        let stride = window.stride[i];
        let over = if window.ceil { (stride - (size - window.size[i]) % stride) % stride } else { 0 };
        if before > 0 {
            x = Tensor::cat(&[border(&x, 2 + i, before)?, x], 2 + i)?;
        }
        if after + over > 0 {
            x = Tensor::cat(&[x.clone(), border(&x, 2 + i, after + over)?], 2 + i)?;
        }
    }
    Ok(x)
}

impl Operators for Candle {
    type Value = Tensor;
    type Conv = Conv2d;
    type Dense = Linear;

    fn value(&self, shape: [usize; 4], floats: &[f32]) -> Result<Tensor> {
        Ok(Tensor::from_slice(floats, &shape, &Device::Cpu)?)
    }

    fn floats(&self, x: Tensor) -> Result<Vec<f32>> {
        Ok(x.flatten_all()?.to_vec1()?)
    }

    fn conv(&self, weight: Constant, bias: Constant, window: Window) -> Result<Conv2d> {
        let [(pad, _), _] = window.pads;
        if window.pads != [(pad, pad); 2] || window.stride[0] != window.stride[1] {
            return Err("convolutions of candle are the same on both axes".into());
        }
        let config = Conv2dConfig { padding: pad, stride: window.stride[0], ..Conv2dConfig::default() };
        Ok(Conv2d::new(tensor(&weight)?, Some(tensor(&bias)?), config))
    }

    fn dense(&self, weight: Constant, bias: Constant) -> Result<Linear> {
        Ok(Linear::new(tensor(&weight)?, Some(tensor(&bias)?)))
    }

    fn apply_conv(&self, conv: &Conv2d, x: Tensor) -> Result<Tensor> {
        Ok(conv.forward(&x)?)
    }

    fn apply_dense(&self, dense: &Linear, x: Tensor) -> Result<Tensor> {
        Ok(dense.forward(&x)?)
    }

    fn max_pool(&self, x: Tensor, window: &Window) -> Result<Tensor> {
        Ok(padded(x, window)?.max_pool2d_with_stride(<(usize, usize)>::from(window.size), window.stride.into())?)
    }

    fn average_pool(&self, x: Tensor, window: &Window) -> Result<Tensor> {
        if window.pads != [(0, 0); 2] || window.ceil {
            return Err("average pools of candle have no padding".into());
        }
        Ok(x.avg_pool2d_with_stride(<(usize, usize)>::from(window.size), window.stride.into())?)
    }

    fn global_average_pool(&self, x: Tensor) -> Result<Tensor> {
        Ok(x.mean_keepdim(D::Minus1)?.mean_keepdim(D::Minus2)?)
    }

    fn relu(&self, x: Tensor) -> Result<Tensor> {
        Ok(x.relu()?)
    }

    fn leaky_relu(&self, x: Tensor, slope: f32) -> Result<Tensor> {
        Ok(candle_nn::ops::leaky_relu(&x, f64::from(slope))?)
    }

    fn tanh(&self, x: Tensor) -> Result<Tensor> {
        Ok(x.tanh()?)
    }

    fn softmax(&self, x: Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::softmax_last_dim(&x)?)
    }

    fn add(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        Ok((a + b)?)
    }

    fn concat(&self, parts: Vec<Tensor>) -> Result<Tensor> {
        Ok(Tensor::cat(&parts, 1)?)
    }

    fn flatten(&self, x: Tensor) -> Result<Tensor> {
        Ok(x.flatten_from(1)?)
    }

    fn space_to_depth(&self, x: Tensor, block: usize) -> Result<Tensor> {
        Ok(candle_nn::ops::pixel_unshuffle(&x, block)?)
    }

    fn skip(&self, x: Tensor, axis: usize, count: usize) -> Result<Tensor> {
        Ok(x.narrow(axis, count, x.dim(axis)? - count)?)
    }
}
