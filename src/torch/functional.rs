//! Layers as functions: what PyTorch has in `torch.nn.functional`.

use super::{Dtype, Tensor};
use crate::Result;
use serde::Deserialize;

/// How the losses of a batch become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    #[default]
    Mean,
    Sum,
    /// One loss for each example.
    None,
}

/// What a divergence adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DivergenceReduction {
    /// The mean of all entries, which is PyTorch's default.
    #[default]
    Mean,
    /// The mean over the examples: the divergence as it is defined.
    Batchmean,
    Sum,
    /// Nothing.
    None,
}

impl Reduction {
    fn tch(self) -> tch::Reduction {
        match self {
            Reduction::Mean => tch::Reduction::Mean,
            Reduction::Sum => tch::Reduction::Sum,
            Reduction::None => tch::Reduction::None,
        }
    }

    pub fn of(self, each: &Tensor) -> Result<Tensor> {
        match self {
            Reduction::Mean => each.mean(),
            Reduction::Sum => each.sum(),
            Reduction::None => Ok(each.clone()),
        }
    }
}

/// Geometry of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conv2d {
    pub stride: i64,
    pub padding: i64,
    pub dilation: i64,
    pub groups: i64,
}

impl Default for Conv2d {
    fn default() -> Self {
        Conv2d {
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
        }
    }
}

/// What batch normalisation needs besides its input.
pub struct BatchNorm<'a> {
    pub weight: Option<&'a Tensor>,
    pub bias: Option<&'a Tensor>,
    /// Updated in place where `training`.
    pub running_mean: Option<&'a Tensor>,
    pub running_var: Option<&'a Tensor>,
    /// Whether to normalise by the batch's own statistics.
    pub training: bool,
    pub momentum: f64,
    pub eps: f64,
}

impl Tensor {
    pub fn relu(&self) -> Result<Tensor> {
        self.result("relu", &[], self.0.f_relu())
    }

    pub fn leaky_relu(&self) -> Result<Tensor> {
        self.result("leaky_relu", &[], self.0.f_leaky_relu())
    }

    pub fn gelu(&self) -> Result<Tensor> {
        self.result("gelu", &[], self.0.f_gelu("none"))
    }

    pub fn softplus(&self) -> Result<Tensor> {
        self.result("softplus", &[], self.0.f_softplus())
    }

    pub fn softmax(&self, dim: i64) -> Result<Tensor> {
        self.result("softmax", &[], self.0.f_softmax(dim, None::<tch::Kind>))
    }

    pub fn log_softmax(&self, dim: i64) -> Result<Tensor> {
        self.result(
            "log_softmax",
            &[],
            self.0.f_log_softmax(dim, None::<tch::Kind>),
        )
    }

    /// `[n, inputs]` times `weight` `[outputs, inputs]` transposed, plus `bias` `[outputs]`.
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let result = self.0.f_linear(&weight.0, bias.map(|b| &*b.0));
        self.result("linear", &[weight], result)?.stoppable()
    }

    /// `[n, c, h, w]` with `weight` `[outputs, c / groups, kh, kw]`.
    pub fn conv2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        geometry: Conv2d,
    ) -> Result<Tensor> {
        let Conv2d {
            stride,
            padding,
            dilation,
            groups,
        } = geometry;
        ensure!(
            stride > 0 && dilation > 0 && groups > 0 && padding >= 0,
            "`conv2d`: stride, dilation and groups must be positive and padding at least 0, got \
             {stride}, {dilation}, {groups} and {padding}"
        );
        let result = self.0.f_conv2d(
            &weight.0,
            bias.map(|b| &*b.0),
            [stride, stride],
            [padding, padding],
            [dilation, dilation],
            groups,
        );
        self.result("conv2d", &[weight], result)?.stoppable()
    }

    pub fn batch_norm(&self, norm: &BatchNorm) -> Result<Tensor> {
        let channels = self.dim(1)?;
        let values = self.numel() as i64 / channels.max(1);
        ensure!(
            !norm.training || values > 1,
            "`batch_norm`: training needs more than one value for each channel, got {}",
            self.signature()
        );
        let result = self.0.f_batch_norm(
            norm.weight.map(|t| &*t.0),
            norm.bias.map(|t| &*t.0),
            norm.running_mean.map(|t| &*t.0),
            norm.running_var.map(|t| &*t.0),
            norm.training,
            norm.momentum,
            norm.eps,
            true,
        );
        let others: Vec<&Tensor> = norm.weight.into_iter().collect();
        self.result("batch_norm", &others, result)
    }

    pub fn max_pool2d(&self, kernel: i64, stride: i64, padding: i64) -> Result<Tensor> {
        check_pool("max_pool2d", kernel, stride, padding)?;
        let result = self.0.f_max_pool2d(
            [kernel, kernel],
            [stride, stride],
            [padding, padding],
            [1, 1],
            false,
        );
        self.result("max_pool2d", &[], result)
    }

    pub fn avg_pool2d(&self, kernel: i64, stride: i64, padding: i64) -> Result<Tensor> {
        check_pool("avg_pool2d", kernel, stride, padding)?;
        let result = self.0.f_avg_pool2d(
            [kernel, kernel],
            [stride, stride],
            [padding, padding],
            false,
            true,
            None,
        );
        self.result("avg_pool2d", &[], result)
    }

    /// Mean over an even grid of `size` x `size` cells.
    pub fn adaptive_avg_pool2d(&self, size: i64) -> Result<Tensor> {
        ensure!(
            size > 0,
            "`adaptive_avg_pool2d`: `size` must be positive, got {size}"
        );
        let result = self.0.f_adaptive_avg_pool2d([size, size]);
        self.result("adaptive_avg_pool2d", &[], result)
    }

    pub fn dropout(&self, p: f64, training: bool) -> Result<Tensor> {
        ensure!(
            (0.0..=1.0).contains(&p),
            "`dropout`: `p` must lie in [0, 1], got {p}"
        );
        self.result("dropout", &[], self.0.f_dropout(p, training))
    }

    /// Adds `padding` entries on each side of the last two dimensions. `mode` is `constant`
    /// (zeros), `reflect` or `replicate`.
    pub fn pad2d(&self, padding: i64, mode: &str) -> Result<Tensor> {
        ensure!(
            ["constant", "reflect", "replicate"].contains(&mode),
            "`pad2d`: `mode` must be constant, reflect or replicate, got {mode:?}"
        );
        let result = self
            .0
            .f_pad([padding, padding, padding, padding], mode, None);
        self.result("pad2d", &[], result)
    }

    /// Each pixel from the place that `theta` `[n, 2, 3]` maps it to, in coordinates from -1
    /// to 1; bilinear, zeros outside.
    pub fn affine(&self, theta: &Tensor) -> Result<Tensor> {
        let grid = tch::Tensor::f_affine_grid_generator(&theta.0, self.shape(), false)
            .map_err(|error| self.failure("affine", &[theta], &error))?;
        let (bilinear, zeros) = (0, 0);
        self.result(
            "affine",
            &[theta],
            self.0.f_grid_sampler(&grid, bilinear, zeros, false),
        )
    }

    /// Cross entropy of logits `[n, k]`. `targets` are classes `[n]` (int64) or a
    /// distribution `[n, k]`.
    ///
    /// In the dtype of the logits: tch's `cross_entropy_for_logits` would compute in float32.
    pub fn cross_entropy(&self, targets: &Tensor, reduction: Reduction) -> Result<Tensor> {
        self.check_targets("cross_entropy", targets)?;
        let none = None::<&tch::Tensor>;
        let result = self
            .0
            .f_cross_entropy_loss(&targets.0, none, reduction.tch(), IGNORED, 0.0);
        self.result("cross_entropy", &[targets], result)
    }

    /// Negative log-likelihood of log-probabilities `[n, k]` at classes `[n]`.
    pub fn nll_loss(&self, targets: &Tensor, reduction: Reduction) -> Result<Tensor> {
        self.check_targets("nll_loss", targets)?;
        let none = None::<&tch::Tensor>;
        let result = self
            .0
            .f_nll_loss(&targets.0, none, reduction.tch(), IGNORED);
        self.result("nll_loss", &[targets], result)
    }

    /// The Kullback-Leibler divergence of the distributions `targets` from these log-probabilities,
    /// targets * (log targets - self), 0 where a target is 0.
    pub fn kl_div(&self, targets: &Tensor, reduction: DivergenceReduction) -> Result<Tensor> {
        ensure!(
            self.shape() == targets.shape() && self.dtype()? == targets.dtype()?,
            "kl_div: `targets` must be like the log-probabilities, {}, got {}",
            self.signature(),
            targets.signature()
        );
        let result = self.0.f_kl_div(&targets.0, tch::Reduction::None, false);
        let each = self.result("kl_div", &[targets], result)?;
        match reduction {
            DivergenceReduction::Mean => each.mean(),
            DivergenceReduction::Batchmean => each.sum()?.div(each.dim(0)? as f64),
            DivergenceReduction::Sum => each.sum(),
            DivergenceReduction::None => Ok(each),
        }
    }

    fn check_targets(&self, what: &str, targets: &Tensor) -> Result<()> {
        let shape = self.shape();
        ensure!(
            shape.len() == 2,
            "`{what}`: logits must be [n, k], got {}",
            self.signature()
        );
        if targets.dtype()?.is_float() {
            ensure!(
                targets.shape() == shape,
                "`{what}`: target distributions must be {shape:?} like the logits, got {}",
                targets.signature()
            );
            return Ok(());
        }
        ensure!(
            targets.dtype()? == Dtype::Int64 && targets.shape() == [shape[0]],
            "`{what}`: targets must be int64[{}] for logits {shape:?}, got {}",
            shape[0],
            targets.signature()
        );
        targets.check_range(what, shape[1])
    }
}

/// PyTorch's default for `ignore_index`; our targets are checked not to hold it.
const IGNORED: i64 = -100;

fn check_pool(what: &str, kernel: i64, stride: i64, padding: i64) -> Result<()> {
    ensure!(
        kernel > 0 && stride > 0 && padding >= 0,
        "`{what}`: kernel and stride must be positive and padding at least 0, got {kernel}, \
         {stride} and {padding}"
    );
    Ok(())
}
