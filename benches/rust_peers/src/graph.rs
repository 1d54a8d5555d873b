//! A network from an ONNX file, for engines that are libraries of operators.
//!
//! Only what the networks of `benches` are made of, which the rest refuses. All values are batches of planes.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, NodeProto};
use tract_onnx::prelude::*;
use tract_onnx::tensor::load_tensor;

use crate::{Job, Pass, Result};

/// Where a window goes.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub size: [usize; 2],
    pub stride: [usize; 2],
    /// Before and after each axis.
    pub pads: [(usize, usize); 2],
    /// Whether a last window may reach over the edge.
    pub ceil: bool,
}

/// A constant of the file.
pub struct Constant {
    pub shape: Vec<usize>,
    pub floats: Vec<f32>,
}

/// A library of operators. They take their operands, so that it can work in their memory.
pub trait Operators: 'static {
    type Value: Clone;
    type Conv;
    type Dense;

    fn value(&self, shape: [usize; 4], floats: &[f32]) -> Result<Self::Value>;
    fn floats(&self, x: Self::Value) -> Result<Vec<f32>>;
    fn conv(&self, weight: Constant, bias: Constant, window: Window) -> Result<Self::Conv>;
    fn dense(&self, weight: Constant, bias: Constant) -> Result<Self::Dense>;

    fn apply_conv(&self, conv: &Self::Conv, x: Self::Value) -> Result<Self::Value>;
    fn apply_dense(&self, dense: &Self::Dense, x: Self::Value) -> Result<Self::Value>;
    fn max_pool(&self, x: Self::Value, window: &Window) -> Result<Self::Value>;
    fn average_pool(&self, x: Self::Value, window: &Window) -> Result<Self::Value>;
    fn global_average_pool(&self, x: Self::Value) -> Result<Self::Value>;
    fn relu(&self, x: Self::Value) -> Result<Self::Value>;
    fn leaky_relu(&self, x: Self::Value, slope: f32) -> Result<Self::Value>;
    fn tanh(&self, x: Self::Value) -> Result<Self::Value>;
    fn softmax(&self, x: Self::Value) -> Result<Self::Value>;
    fn add(&self, a: Self::Value, b: Self::Value) -> Result<Self::Value>;
    fn concat(&self, parts: Vec<Self::Value>) -> Result<Self::Value>;
    fn flatten(&self, x: Self::Value) -> Result<Self::Value>;
    fn space_to_depth(&self, x: Self::Value, block: usize) -> Result<Self::Value>;
    /// All but the first rows or columns.
    fn skip(&self, x: Self::Value, axis: usize, count: usize) -> Result<Self::Value>;
}

enum Op<E: Operators> {
    Conv(E::Conv),
    Dense(E::Dense),
    MaxPool(Window),
    AveragePool(Window),
    GlobalAveragePool,
    Relu,
    LeakyRelu(f32),
    Tanh,
    Softmax,
    Add,
    Concat,
    Flatten,
    SpaceToDepth(usize),
    Skip { axis: usize, count: usize },
}

/// An operator, where its operands are, and which of them nobody needs afterwards.
struct Step<E: Operators> {
    op: Op<E>,
    inputs: Vec<(usize, bool)>,
    output: usize,
}

struct Network<E: Operators> {
    engine: E,
    steps: Vec<Step<E>>,
    values: Vec<Option<E::Value>>,
}

/// A pass over the images of a job.
pub fn pass<E: Operators>(engine: E, job: &Job<'_>) -> Result<Pass> {
    let image = engine.value(job.shape, &job.image)?;
    let mut network = Network::read(engine, job)?;
    Ok(Box::new(move || network.run(image.clone())))
}

impl<E: Operators> Network<E> {
    fn read(engine: E, job: &Job<'_>) -> Result<Self> {
        let onnx = tract_onnx::onnx();
        let proto = onnx.proto_model_for_path(job.model)?;
        let graph = proto.graph.ok_or("a file without a graph")?;
        let mut constants = HashMap::new();
        for tensor in &graph.initializer {
            constants.insert(tensor.name.clone(), load_tensor(&*onnx.provider, tensor, None)?);
        }
        let mut places = HashMap::from([(graph.input[0].name.clone(), 0)]);
        let mut steps: Vec<Step<E>> = Vec::new();
        let mut nodes = graph.node.iter();
        while let Some(node) = nodes.next() {
            if node.op_type == "Constant" {
                let tensor = attribute(node, "value").and_then(|a| a.t.as_ref()).ok_or("a constant without a value")?;
                constants.insert(node.output[0].clone(), load_tensor(&*onnx.provider, tensor, None)?);
                continue;
            }
            // PyTorch writes `pixel_unshuffle` as three nodes, with the sizes between them as constants.
            let mut last = node;
            while last.op_type == "Reshape" || last.op_type == "Transpose" {
                let ends = last.op_type == "Reshape" && !std::ptr::eq(last, node);
                let Some(next) = (!ends).then(|| nodes.find(|n| n.op_type != "Constant")).flatten() else { break };
                last = next;
            }
            let op = operator(&engine, node, &constants)?;
            let inputs = node.input.iter().filter_map(|name| places.get(name)).map(|place| (*place, false)).collect();
            places.insert(last.output[0].clone(), steps.len() + 1);
            steps.push(Step { op, inputs, output: steps.len() + 1 });
        }
        if steps.last().is_none_or(|step| places.get(&graph.output[0].name) != Some(&step.output)) {
            return Err("the last node does not make the output".into());
        }
        mark_last_uses(&mut steps);
        let values = (0..=steps.len()).map(|_| None).collect();
        Ok(Self { engine, steps, values })
    }

    fn run(&mut self, image: E::Value) -> Result<Vec<f32>> {
        let Self { engine, steps, values } = self;
        values[0] = Some(image);
        for step in &*steps {
            let mut take =
                |(place, last): (usize, bool)| if last { values[place].take() } else { values[place].clone() };
            let mut inputs = step.inputs.iter().map(|input| take(*input).expect("steps are in order"));
            let x = inputs.next().ok_or("a step without an operand")?;
            let value = match &step.op {
                Op::Conv(conv) => engine.apply_conv(conv, x),
                Op::Dense(dense) => engine.apply_dense(dense, x),
                Op::MaxPool(window) => engine.max_pool(x, window),
                Op::AveragePool(window) => engine.average_pool(x, window),
                Op::GlobalAveragePool => engine.global_average_pool(x),
                Op::Relu => engine.relu(x),
                Op::LeakyRelu(slope) => engine.leaky_relu(x, *slope),
                Op::Tanh => engine.tanh(x),
                Op::Softmax => engine.softmax(x),
                Op::Add => engine.add(x, inputs.next().ok_or("a sum of one")?),
                Op::Concat => engine.concat([x].into_iter().chain(inputs).collect()),
                Op::Flatten => engine.flatten(x),
                Op::SpaceToDepth(block) => engine.space_to_depth(x, *block),
                Op::Skip { axis, count } => engine.skip(x, *axis, *count),
            }?;
            values[step.output] = Some(value);
        }
        let output = values.last_mut().and_then(Option::take).ok_or("a network without an output")?;
        engine.floats(output)
    }
}

fn mark_last_uses<E: Operators>(steps: &mut [Step<E>]) {
    let mut needed = vec![false; steps.len() + 1];
    for step in steps.iter_mut().rev() {
        for (place, last) in step.inputs.iter_mut().rev() {
            *last = !std::mem::replace(&mut needed[*place], true);
        }
    }
}

fn operator<E: Operators>(engine: &E, node: &NodeProto, constants: &HashMap<String, Tensor>) -> Result<Op<E>> {
    let tensor =
        |i: usize| constants.get(&node.input[i]).ok_or_else(|| format!("{}: operand {i} must be constant", node.name));
    let floats = |i: usize| -> Result<Constant> {
        let tensor = tensor(i)?;
        let floats = tensor.to_plain_array_view::<f32>()?.iter().copied().collect();
        Ok(Constant { shape: tensor.shape().to_vec(), floats })
    };
    let number =
        |i: usize| -> Result<i64> { Ok(*tensor(i)?.to_plain_array_view::<i64>()?.first().ok_or("no number")?) };
    Ok(match node.op_type.as_str() {
        "Conv" => Op::Conv(engine.conv(floats(1)?, floats(2)?, window(node)?)?),
        "Gemm" => Op::Dense(engine.dense(floats(1)?, floats(2)?)?),
        "MaxPool" => Op::MaxPool(window(node)?),
        "AveragePool" => Op::AveragePool(window(node)?),
        "GlobalAveragePool" => Op::GlobalAveragePool,
        "Relu" => Op::Relu,
        "LeakyRelu" => Op::LeakyRelu(attribute(node, "alpha").map_or(0.01, |a| a.f)),
        "Tanh" => Op::Tanh,
        "Softmax" => Op::Softmax,
        "Add" => Op::Add,
        "Concat" => Op::Concat,
        "Flatten" => Op::Flatten,
        // [n, channels, height / block, block, width / block, block]
        "Reshape" => {
            let sizes = tensor(1)?.to_plain_array_view::<i64>()?.iter().copied().collect::<Vec<_>>();
            match sizes[..] {
                [_, _, _, block, _, again] if block == again => Op::SpaceToDepth(usize::try_from(block)?),
                _ => return Err(format!("{}: no reshape but that of pixels", node.name).into()),
            }
        }
        "Slice" => Op::Skip { axis: usize::try_from(number(3)?)?, count: usize::try_from(number(1)?)? },
        other => return Err(format!("{}: no operator for `{other}`", node.name).into()),
    })
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

fn window(node: &NodeProto) -> Result<Window> {
    let numbers = |name: &str| -> Vec<usize> {
        attribute(node, name).map_or(Vec::new(), |a| a.ints.iter().map(|i| *i as usize).collect())
    };
    let pair = |name: &str| <[usize; 2]>::try_from(numbers(name)).map_err(|_| format!("{}: no `{name}`", node.name));
    let plain = numbers("dilations").iter().all(|d| *d == 1) && attribute(node, "group").is_none_or(|a| a.i == 1);
    let [top, left, bottom, right] = match numbers("pads")[..] {
        [top, left, bottom, right] => [top, left, bottom, right],
        // ONNX: none where they are not said.
        [] => [0; 4],
        _ => return Err(format!("{}: `pads` of other than two axes", node.name).into()),
    };
    if !plain {
        return Err(format!("{}: neither groups nor dilations", node.name).into());
    }
    Ok(Window {
        size: pair("kernel_shape")?,
        stride: pair("strides")?,
        pads: [(top, bottom), (left, right)],
        ceil: attribute(node, "ceil_mode").is_some_and(|a| a.i == 1),
    })
}
