//! New tensors.
//!
//! Each function has a form with options: `dtype` (`"float32"`), `device` (`"cpu"`, `"cuda"`,
//! `"auto"`) and `requires_grad`.

use super::args::{self, New, refused};
use crate::Result;
use crate::script::RhaiResultOf;
use crate::torch::{self, Dtype, Like, Scalar, Tensor};
use rhai::plugin::*;
use rhai::{Array, Map};

#[export_module]
pub mod functions {
    /// A tensor of the given numbers: an array, arrays in arrays, or one number.
    ///
    /// Integers give int64, booleans bool, and one float among them float32. Rows must be of
    /// one length.
    ///
    /// - `dtype` (default what the numbers give), `device`, `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// let x = tensor([[1, 2, 3], [4, 5, 6]]);
    /// print(x.shape);                                      //> [2, 3]
    /// print(x.dtype);                                      //> int64
    /// print(tensor([1, 0.5]).dtype);                       //> float32
    /// print(tensor([1, 2], #{ dtype: "float64" }).dtype);  //> float64
    /// ```
    #[rhai_fn(return_raw)]
    pub fn tensor(data: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(from_nested(&data, New::default())?)
    }

    #[rhai_fn(name = "tensor", return_raw)]
    pub fn tensor_with(
        ctx: NativeCallContext,
        data: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        Ok(from_nested(&data, New::read(&ctx, "tensor", options)?)?)
    }

    /// A tensor of zeros.
    ///
    /// - `shape`: an array of sizes, or one size
    /// - `dtype` (default `"float32"`): or `"float64"`, `"bfloat16"`, `"int64"`, `"bool"`, ...
    /// - `device` (default `"cpu"`): or `"cuda"`, `"cuda:1"`, `"auto"`
    /// - `requires_grad` (default false): whether it can be differentiated with respect to it
    ///
    /// ```rhai
    /// assert(zeros([2, 3]).sum().item() == 0.0);
    /// assert(zeros([2], #{ dtype: "int64" }).to_array() == [0, 0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn zeros(shape: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(torch::zeros(
            &args::ints("shape", &shape)?,
            Like::default(),
        )?)
    }

    #[rhai_fn(name = "zeros", return_raw)]
    pub fn zeros_with(
        ctx: NativeCallContext,
        shape: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "zeros", options)?;
        let made = torch::zeros(&args::ints("shape", &shape)?, new.like(Like::default()))?;
        Ok(new.finish(made)?)
    }

    /// A tensor of ones.
    ///
    /// - `shape`: an array of sizes, or one size
    /// - `dtype`, `device`, `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// assert(ones([2, 3]).sum().item() == 6.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ones(shape: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(torch::ones(&args::ints("shape", &shape)?, Like::default())?)
    }

    #[rhai_fn(name = "ones", return_raw)]
    pub fn ones_with(ctx: NativeCallContext, shape: Dynamic, options: Map) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "ones", options)?;
        let made = torch::ones(&args::ints("shape", &shape)?, new.like(Like::default()))?;
        Ok(new.finish(made)?)
    }

    /// A tensor filled with one number.
    ///
    /// - `shape`: an array of sizes, or one size
    /// - `value`: an integer gives int64, a float float32
    /// - `dtype` (default what `value` gives), `device`, `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// assert(full([2], 0.5).to_array() == [0.5, 0.5]);
    /// assert(full([2], 7).dtype == "int64");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn full(shape: Dynamic, value: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(filled(&shape, &value, &New::default())?)
    }

    #[rhai_fn(name = "full", return_raw)]
    pub fn full_with(
        ctx: NativeCallContext,
        shape: Dynamic,
        value: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        Ok(filled(&shape, &value, &New::read(&ctx, "full", options)?)?)
    }

    /// Random numbers, uniform on [0, 1).
    ///
    /// Drawn on the CPU and then moved, so that a seed gives the same numbers on every device.
    ///
    /// - `shape`: an array of sizes, or one size
    /// - `dtype`, `device`, `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// let x = rand([100]);
    /// assert(x.min().item() >= 0.0 && x.max().item() < 1.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rand(shape: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(torch::rand(&args::ints("shape", &shape)?, Like::default())?)
    }

    #[rhai_fn(name = "rand", return_raw)]
    pub fn rand_with(ctx: NativeCallContext, shape: Dynamic, options: Map) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "rand", options)?;
        let made = torch::rand(&args::ints("shape", &shape)?, new.like(Like::default()))?;
        Ok(new.finish(made)?)
    }

    /// Random numbers, normal with mean 0 and standard deviation 1.
    ///
    /// Drawn on the CPU and then moved, so that a seed gives the same numbers on every device.
    ///
    /// - `shape`: an array of sizes, or one size
    /// - `dtype`, `device`, `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// let x = randn([1000]);
    /// assert(x.mean().item().abs() < 0.2);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn randn(shape: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(torch::randn(
            &args::ints("shape", &shape)?,
            Like::default(),
        )?)
    }

    #[rhai_fn(name = "randn", return_raw)]
    pub fn randn_with(
        ctx: NativeCallContext,
        shape: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "randn", options)?;
        let made = torch::randn(&args::ints("shape", &shape)?, new.like(Like::default()))?;
        Ok(new.finish(made)?)
    }

    /// Random integers, uniform on `low` .. `high` (exclusive).
    ///
    /// - `low`: the lowest; 0 in the form `randint(high, shape)`
    /// - `shape`: an array of sizes, or one size
    /// - `dtype` (default `"int64"`), `device`, `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// let y = randint(10, [100]);
    /// assert(y.min().item() >= 0 && y.max().item() < 10);
    /// assert(randint(3, 4, [2]).to_array() == [3, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn randint(low: i64, high: i64, shape: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(integers(low, high, &shape, &New::default())?)
    }

    #[rhai_fn(name = "randint", return_raw)]
    pub fn randint_below(high: i64, shape: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(integers(0, high, &shape, &New::default())?)
    }

    #[rhai_fn(name = "randint", return_raw)]
    pub fn randint_with(
        ctx: NativeCallContext,
        low: i64,
        high: i64,
        shape: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        Ok(integers(
            low,
            high,
            &shape,
            &New::read(&ctx, "randint", options)?,
        )?)
    }

    #[rhai_fn(name = "randint", return_raw)]
    pub fn randint_below_with(
        ctx: NativeCallContext,
        high: i64,
        shape: Array,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "randint", options)?;
        Ok(integers(0, high, &shape.into(), &new)?)
    }

    /// The integers 0 to `n` - 1 in a random order, int64.
    ///
    /// ```rhai
    /// assert(randperm(5).sort().values.to_array() == [0, 1, 2, 3, 4]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn randperm(n: i64) -> RhaiResultOf<Tensor> {
        Ok(torch::randperm(n, torch::Device::Cpu)?)
    }

    /// Numbers from `start` in steps of `step`, below `end`.
    ///
    /// - `start` (default 0), `step` (default 1): numbers
    /// - `dtype` (default int64 where all are integers, else float32), `device`,
    ///   `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// print(arange(3).to_array());               //> [0, 1, 2]
    /// print(arange(1, 3).to_array());            //> [1, 2]
    /// print(arange(0.0, 1.0, 0.25).to_array());  //> [0.0, 0.25, 0.5, 0.75]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn arange(end: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(range(
            [&Dynamic::ZERO, &end, &Dynamic::ONE],
            &New::default(),
        )?)
    }

    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_with(ctx: NativeCallContext, end: Dynamic, options: Map) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "arange", options)?;
        Ok(range([&Dynamic::ZERO, &end, &Dynamic::ONE], &new)?)
    }

    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_from(start: Dynamic, end: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(range([&start, &end, &Dynamic::ONE], &New::default())?)
    }

    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_from_with(
        ctx: NativeCallContext,
        start: Dynamic,
        end: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "arange", options)?;
        Ok(range([&start, &end, &Dynamic::ONE], &new)?)
    }

    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_step(start: Dynamic, end: Dynamic, step: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(range([&start, &end, &step], &New::default())?)
    }

    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_step_with(
        ctx: NativeCallContext,
        start: Dynamic,
        end: Dynamic,
        step: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        Ok(range(
            [&start, &end, &step],
            &New::read(&ctx, "arange", options)?,
        )?)
    }

    /// `steps` numbers at equal distances from `start` to `end`, both included.
    ///
    /// - `dtype`, `device`, `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// print(linspace(0, 1, 5).to_array());  //> [0.0, 0.25, 0.5, 0.75, 1.0]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn linspace(start: Dynamic, end: Dynamic, steps: i64) -> RhaiResultOf<Tensor> {
        let (start, end) = (args::float("start", &start)?, args::float("end", &end)?);
        Ok(torch::linspace(start, end, steps, Like::default())?)
    }

    #[rhai_fn(name = "linspace", return_raw)]
    pub fn linspace_with(
        ctx: NativeCallContext,
        start: Dynamic,
        end: Dynamic,
        steps: i64,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "linspace", options)?;
        let (start, end) = (args::float("start", &start)?, args::float("end", &end)?);
        let made = torch::linspace(start, end, steps, new.like(Like::default()))?;
        Ok(new.finish(made)?)
    }

    /// The identity matrix `[n, n]`.
    ///
    /// - `dtype`, `device`, `requires_grad`: as for `zeros`
    ///
    /// ```rhai
    /// assert(eye(2).to_array() == [[1.0, 0.0], [0.0, 1.0]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn eye(n: i64) -> RhaiResultOf<Tensor> {
        Ok(torch::eye(n, Like::default())?)
    }

    #[rhai_fn(name = "eye", return_raw)]
    pub fn eye_with(ctx: NativeCallContext, n: i64, options: Map) -> RhaiResultOf<Tensor> {
        let new = New::read(&ctx, "eye", options)?;
        Ok(new.finish(torch::eye(n, new.like(Like::default()))?)?)
    }

    /// Zeros in the shape, dtype and device of `x`.
    ///
    /// ```rhai
    /// assert(zeros_like(tensor([1, 2])).to_array() == [0, 0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn zeros_like(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.zeros_like()?)
    }

    /// Ones in the shape, dtype and device of `x`.
    ///
    /// ```rhai
    /// assert(ones_like(tensor([0.5])).to_array() == [1.0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ones_like(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(torch::ones(&x.shape(), x.like()?)?)
    }

    /// One number in the shape, dtype and device of `x`.
    ///
    /// ```rhai
    /// assert(full_like(zeros([2]), 3).to_array() == [3.0, 3.0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn full_like(x: Tensor, value: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(torch::full(
            &x.shape(),
            args::scalar("value", &value)?,
            x.like()?,
        )?)
    }

    /// Random numbers, uniform on [0, 1), in the shape, dtype and device of `x`.
    ///
    /// ```rhai
    /// assert(rand_like(zeros([2, 3])).shape == [2, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rand_like(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(torch::rand(&x.shape(), x.like()?)?)
    }

    /// Random numbers, normal with mean 0 and standard deviation 1, in the shape, dtype and
    /// device of `x`.
    ///
    /// ```rhai
    /// assert(randn_like(zeros([2, 3])).shape == [2, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn randn_like(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(torch::randn(&x.shape(), x.like()?)?)
    }

    /// Random numbers, uniform on [`low`, `high`), in the shape, dtype and device of `x`: the
    /// random start of an attack.
    ///
    /// Draws what PyTorch's `empty_like(x).uniform_(low, high)` draws on the CPU.
    ///
    /// ```rhai
    /// let noise = uniform_like(zeros([100]), -0.1, 0.1);
    /// assert(noise.abs().max().item() <= 0.1);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn uniform_like(x: Tensor, low: f64, high: f64) -> RhaiResultOf<Tensor> {
        Ok(x.uniform_like(low, high)?)
    }

    /// 1 at the class that each entry names and 0 elsewhere: `[...]` to `[..., classes]`, int64.
    ///
    /// - `labels`: int64, each in 0 .. `classes` (exclusive)
    ///
    /// ```rhai
    /// assert(one_hot(tensor([2, 0]), 3).to_array() == [[0, 0, 1], [1, 0, 0]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn one_hot(labels: Tensor, classes: i64) -> RhaiResultOf<Tensor> {
        Ok(labels.one_hot(classes, Dtype::Int64)?)
    }

    /// Joins the tensors of an array along a dimension that they have (default 0).
    ///
    /// ```rhai
    /// assert(cat([tensor([1, 2]), tensor([3])]).to_array() == [1, 2, 3]);
    /// assert(cat([zeros([2, 3]), zeros([2, 1])], 1).shape == [2, 4]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cat(tensors: Array) -> RhaiResultOf<Tensor> {
        Ok(torch::cat(&args::tensors("tensors", tensors)?, 0)?)
    }

    #[rhai_fn(name = "cat", return_raw)]
    pub fn cat_along(tensors: Array, dim: i64) -> RhaiResultOf<Tensor> {
        Ok(torch::cat(&args::tensors("tensors", tensors)?, dim)?)
    }

    /// Joins the tensors of an array, all of one shape, along a new dimension (default 0).
    ///
    /// ```rhai
    /// let rows = stack([tensor([1, 2]), tensor([3, 4])]);
    /// assert(rows.to_array() == [[1, 2], [3, 4]]);
    /// assert(stack([zeros([3]), zeros([3])], 1).shape == [3, 2]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn stack(tensors: Array) -> RhaiResultOf<Tensor> {
        Ok(torch::stack(&args::tensors("tensors", tensors)?, 0)?)
    }

    #[rhai_fn(name = "stack", return_raw)]
    pub fn stack_along(tensors: Array, dim: i64) -> RhaiResultOf<Tensor> {
        Ok(torch::stack(&args::tensors("tensors", tensors)?, dim)?)
    }
}

/// int64 for an integer, float32 for a float.
fn usual(value: Scalar) -> Like {
    let dtype = match value {
        Scalar::Int(_) => Dtype::Int64,
        Scalar::Float(_) => Dtype::Float32,
    };
    Like {
        dtype,
        ..Like::default()
    }
}

fn filled(shape: &Dynamic, value: &Dynamic, new: &New) -> Result<Tensor> {
    let value = args::scalar("value", value)?;
    let made = torch::full(&args::ints("shape", shape)?, value, new.like(usual(value)))?;
    new.finish(made)
}

fn integers(low: i64, high: i64, shape: &Dynamic, new: &New) -> Result<Tensor> {
    let like = new.like(usual(Scalar::Int(0)));
    new.finish(torch::randint(
        low,
        high,
        &args::ints("shape", shape)?,
        like,
    )?)
}

fn range([start, end, step]: [&Dynamic; 3], new: &New) -> Result<Tensor> {
    let start = args::scalar("start", start)?;
    let end = args::scalar("end", end)?;
    let step = args::scalar("step", step)?;
    let float = [start, end, step]
        .into_iter()
        .find(|value| matches!(value, Scalar::Float(_)));
    let like = new.like(usual(float.unwrap_or(start)));
    new.finish(torch::arange(start, end, step, like)?)
}

/// The numbers of nested arrays, in row-major order.
#[derive(Default)]
struct Numbers {
    values: Vec<Scalar>,
    floats: bool,
    ints: bool,
}

fn from_nested(data: &Dynamic, new: New) -> Result<Tensor> {
    let mut numbers = Numbers::default();
    let shape = numbers.collect(data, &mut Vec::new())?;
    let values = &numbers.values;
    let (tensor, usual) = if numbers.floats || values.is_empty() {
        let entries: Vec<f64> = values.iter().map(|value| value.to_f64()).collect();
        (Tensor::from_f64(&entries, &shape)?, Dtype::Float32)
    } else {
        let whole = |value: &Scalar| match *value {
            Scalar::Int(value) => value,
            Scalar::Float(value) => value as i64,
        };
        let entries: Vec<i64> = values.iter().map(whole).collect();
        let usual = if numbers.ints {
            Dtype::Int64
        } else {
            Dtype::Bool
        };
        (Tensor::from_i64(&entries, &shape)?, usual)
    };
    let like = new.like(Like {
        dtype: usual,
        ..Like::default()
    });
    new.finish(tensor.to_dtype(like.dtype)?.to_device(like.device)?)
}

impl Numbers {
    /// Adds what lies under `data`, which stands at `place`; returns its shape.
    fn collect(&mut self, data: &Dynamic, place: &mut Vec<usize>) -> Result<Vec<i64>> {
        if let Ok(value) = data.as_int() {
            self.ints = true;
            self.values.push(Scalar::Int(value));
        } else if let Ok(value) = data.as_float() {
            self.floats = true;
            self.values.push(Scalar::Float(value));
        } else if let Ok(value) = data.as_bool() {
            self.values.push(Scalar::Int(value.into()));
        } else if let Ok(entries) = data.as_array_ref() {
            return self.collect_entries(&entries, place);
        } else {
            let hint = match data.is::<Tensor>() {
                true => "; `stack` and `cat` join tensors",
                false => "",
            };
            let wanted = "a number, a boolean or an array of them";
            let error = refused(&format!("data{}", path(place)), wanted, data);
            bail!("{error}{hint}");
        }
        Ok(Vec::new())
    }

    fn collect_entries(&mut self, entries: &[Dynamic], place: &mut Vec<usize>) -> Result<Vec<i64>> {
        let mut first: Option<Vec<i64>> = None;
        for (at, entry) in entries.iter().enumerate() {
            place.push(at);
            let shape = self.collect(entry, place)?;
            if let Some(first) = &first {
                ensure!(
                    shape == *first,
                    "`tensor`: the rows must be of one shape, but `data{}` is {} and the entry \
                     before it {}",
                    path(place),
                    form(&shape),
                    form(first)
                );
            }
            first = Some(shape);
            place.pop();
        }
        let mut shape = vec![entries.len() as i64];
        shape.extend(first.unwrap_or_default());
        Ok(shape)
    }
}

/// `[1][0]`.
fn path(place: &[usize]) -> String {
    place.iter().map(|at| format!("[{at}]")).collect()
}

fn form(shape: &[i64]) -> String {
    match shape {
        [] => "a number".to_owned(),
        shape => format!("{shape:?}"),
    }
}
