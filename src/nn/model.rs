use super::frozen::{Frozen, check_input};
use super::module::{Entry, Module, entries};
use super::normalize::Normalize;
use super::room::Room;
use super::watch::Watch;
use super::weights::{self, Head, LoadReport};
use crate::files::File;
use crate::torch::{self, Device, Dtype, Precision, Stamp, Tensor, no_grad};
use crate::{Result, profile};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A network as a classifier of images: from pixels in [0, 1], `[n, c, h, w]`, to logits
/// `[n, outputs]`. Normalisation is inside; the first `classes` outputs are the classes, the
/// others belong to the transformations of label augmentation.
#[derive(Clone)]
pub struct Model(Rc<Inner>);

struct Inner {
    name: String,
    network: Rc<dyn Module>,
    normalize: Normalize,
    /// Known for a network with a head; a custom one has as many as its last layer gives.
    outputs: Option<i64>,
    classes: Cell<Option<i64>>,
    training: Cell<bool>,
    room: Rc<Room>,
    /// For passes in the dtype of the weights, and in a lower one.
    frozen: [RefCell<Option<Kept>>; 2],
}

/// A frozen copy, and of which weights.
struct Kept {
    stamps: Vec<Stamp>,
    frozen: Rc<Frozen>,
}

impl Model {
    pub fn new(
        name: impl Into<String>,
        network: Rc<dyn Module>,
        normalize: Normalize,
        outputs: Option<i64>,
    ) -> Self {
        Model(Rc::new(Inner {
            name: name.into(),
            network,
            normalize,
            outputs,
            classes: Cell::new(outputs),
            training: Cell::new(true),
            frozen: Default::default(),
            room: Rc::default(),
        }))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn network(&self) -> &dyn Module {
        &*self.0.network
    }

    pub fn normalize(&self) -> &Normalize {
        &self.0.normalize
    }

    pub fn outputs(&self) -> Option<i64> {
        self.0.outputs
    }

    /// How many of the outputs are classes; all of them unless [`Model::set_classes`] said so.
    pub fn classes(&self) -> Option<i64> {
        self.0.classes.get()
    }

    /// # Errors
    /// `Invalid` for fewer than one class or more than there are outputs.
    pub fn set_classes(&self, classes: i64) -> Result<()> {
        let outputs = self.0.outputs.unwrap_or(i64::MAX);
        ensure!(
            (1..=outputs).contains(&classes),
            "`classes` must lie in 1 .. {outputs}, the number of outputs, got {classes}"
        );
        self.0.classes.set(Some(classes));
        Ok(())
    }

    pub fn training(&self) -> bool {
        self.0.training.get()
    }

    pub fn set_training(&self, training: bool) {
        self.0.training.set(training);
    }

    /// Logits `[n, outputs]` of the model's dtype, in the model's own mode and computed in the
    /// precision of [`torch::with_precision`].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let forward = || self.forward_in(x, self.training());
        let precision = torch::precision();
        if precision == Precision::Float32 {
            return forward();
        }
        let own = self.dtype()?;
        if self.compute_dtype(precision)? == own {
            return forward();
        }
        torch::autocast(self.device(), forward)?.to_dtype(own)
    }

    /// The dtype of convolutions and matrix products in [`Model::forward`] under `precision`.
    pub fn compute_dtype(&self, precision: Precision) -> Result<Dtype> {
        Ok(precision.dtype(self.dtype()?, self.device()))
    }

    /// Logits `[n, outputs]` in the mode given, whatever the model's own is, and computed in the
    /// model's dtype.
    pub fn forward_in(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        self.forward_watched(x, training, &mut Watch::nothing())
    }

    /// The same logits, while `watch` sees what each layer gives.
    pub fn forward_watched(&self, x: &Tensor, training: bool, watch: &mut Watch) -> Result<Tensor> {
        let own = self.first_parameter();
        let _span = profile::forward(own.as_ref().is_some_and(Tensor::is_recorded));
        if let Some(own) = &own {
            check_input(x, (own.dtype()?, own.device()))?;
        }
        let x = self.0.normalize.forward(x)?;
        // Convolutions are a third faster on images whose channels lie side by side.
        let x = if x.ndim() == 4 { x.channels_last()? } else { x };
        let logits = self.0.network.forward_watched(&x, training, watch)?;
        let images = x.shape().first().copied().unwrap_or(1);
        torch::count_forward(images, logits.requires_grad());
        Ok(logits)
    }

    /// The network for many passes in eval mode, with the weights of now. The copy is kept until
    /// they change.
    pub fn frozen(&self, precision: Precision) -> Result<Rc<Frozen>> {
        let own = self.dtype()?;
        let dtype = precision.dtype(own, self.device());
        let kept = &self.0.frozen[usize::from(dtype != own)];
        let entries = self.entries().into_iter();
        let stamps: Vec<Stamp> = entries.map(|(_, entry)| entry.tensor().stamp()).collect();
        if let Some(kept) = &*kept.borrow()
            && kept.stamps == stamps
        {
            return Ok(kept.frozen.clone());
        }
        // The old copy goes before the new one comes.
        *kept.borrow_mut() = None;
        let place = (own, self.device());
        let frozen = Frozen::new(&self.0.network, self.0.normalize.clone(), place, dtype)?;
        let frozen = Rc::new(frozen);
        *kept.borrow_mut() = Some(Kept {
            stamps,
            frozen: frozen.clone(),
        });
        Ok(frozen)
    }

    /// The class of each image, `[n]`: argmax over the first `classes` outputs, in eval mode.
    pub fn predict(&self, x: &Tensor) -> Result<Tensor> {
        self.class_outputs(x, Precision::Float32)?.argmax(1, false)
    }

    /// As [`Model::predict`], for data of `classes` classes.
    ///
    /// # Errors
    /// `Invalid` for a model that tells another number of classes apart.
    pub fn predict_of(&self, classes: i64, x: &Tensor) -> Result<Tensor> {
        self.class_logits_of(classes, x)?.argmax(1, false)
    }

    /// The logits of the classes, `[n, classes]`, in eval mode and without gradient.
    ///
    /// # Errors
    /// `Invalid` for a model that tells another number of classes apart.
    pub fn class_logits_of(&self, classes: i64, x: &Tensor) -> Result<Tensor> {
        self.class_logits_in(classes, x, Precision::Float32)
    }

    /// The same, of a frozen copy where `precision` is below float32.
    ///
    /// # Errors
    /// As above.
    pub fn class_logits_in(
        &self,
        classes: i64,
        x: &Tensor,
        precision: Precision,
    ) -> Result<Tensor> {
        let logits = self.class_outputs(x, precision)?;
        check_classes(&logits, classes)?;
        Ok(logits)
    }

    fn class_outputs(&self, x: &Tensor, precision: Precision) -> Result<Tensor> {
        let n = x.shape().first().copied().unwrap_or(1);
        let frozen = match self.compute_dtype(precision)? == self.dtype()? {
            true => None,
            false => Some(self.frozen(precision)?),
        };
        let pass = |x: &Tensor| match &frozen {
            Some(frozen) => frozen.forward(x),
            None => self.forward_in(x, false),
        };
        let room = &self.0.room;
        let [logits] = no_grad(|| room.in_parts(n, None, |part| Ok([pass(&part.of(x)?)?])))?;
        class_logits(&logits, self.classes())
    }

    /// How many images it takes at once in eval mode.
    pub fn room(&self) -> &Rc<Room> {
        &self.0.room
    }

    /// Runs `f`, then gives every buffer the values it had: a pass in train mode moves the
    /// running statistics.
    pub fn keeping_buffers<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut saved = Vec::new();
        for (_, entry) in self.entries() {
            if let Entry::Buffer(buffer) = entry {
                saved.push((buffer.copy()?, buffer));
            }
        }
        let result = f();
        for (values, buffer) in saved {
            buffer.assign(&values)?;
        }
        result
    }

    /// Runs `f` with every parameter and buffer in `dtype`, then gives them what they had, to the
    /// bit.
    pub fn in_dtype<T>(&self, dtype: Dtype, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut saved = Vec::new();
        for (_, entry) in self.entries() {
            saved.push((entry.tensor().clone(), entry.tensor().detach()?));
        }
        let result = self.to(Some(dtype), None).and_then(|()| f());
        for (tensor, values) in saved {
            tensor.replace(&values)?;
        }
        result
    }

    pub fn entries(&self) -> Vec<(String, Entry)> {
        entries(&*self.0.network)
    }

    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        self.entries()
            .into_iter()
            .filter_map(|(name, entry)| match entry {
                Entry::Parameter(tensor) => Some((name, tensor)),
                Entry::Buffer(_) => None,
            })
            .collect()
    }

    /// A number that grows whenever a parameter's entries change.
    pub fn version(&self) -> i64 {
        let parameters = self.parameters().into_iter();
        parameters.map(|(_, tensor)| tensor.version()).sum()
    }

    /// Every parameter and buffer by name, in PyTorch's order.
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        self.entries()
            .into_iter()
            .map(|(name, entry)| (name, entry.tensor().clone()))
            .collect()
    }

    fn first_parameter(&self) -> Option<Tensor> {
        let mut first = None;
        self.0.network.visit("", &mut |_, entry| {
            if let (None, Entry::Parameter(tensor)) = (&first, entry) {
                first = Some(tensor);
            }
        });
        first
    }

    pub fn device(&self) -> Device {
        self.first_parameter()
            .map_or(Device::Cpu, |tensor| tensor.device())
    }

    pub fn dtype(&self) -> Result<Dtype> {
        self.first_parameter()
            .map_or(Ok(Dtype::Float32), |tensor| tensor.dtype())
    }

    /// Moves every parameter and buffer; integer buffers keep their dtype.
    pub fn to(&self, dtype: Option<Dtype>, device: Option<Device>) -> Result<()> {
        if let Some(dtype) = dtype {
            ensure!(
                dtype.is_float(),
                "a model's dtype must be a floating-point type, got {dtype}"
            );
        }
        for (_, entry) in self.entries() {
            let tensor = entry.tensor();
            let mut moved = tensor.detach()?;
            if let Some(device) = device {
                moved = moved.to_device(device)?;
            }
            match dtype {
                Some(dtype) if tensor.dtype()?.is_float() => moved = moved.to_dtype(dtype)?,
                _ => {}
            }
            tensor.replace(&moved)?;
        }
        Ok(())
    }

    /// Reads weights from a safetensors file. Nothing is changed unless all of it fits.
    ///
    /// # Errors
    /// `Invalid` naming the entries that are missing, unexpected or mis-shaped.
    pub fn load(&self, file: &File, head: Head) -> Result<LoadReport> {
        let entries = torch::safetensors::load(file)?;
        weights::load(&self.entries(), entries, head)
            .map_err(|error| error.context(file.shown().display()))
    }

    /// Takes up what [`Model::state_dict`] gave.
    ///
    /// # Errors
    /// As for [`Model::load`].
    pub fn load_state_dict(&self, state: Vec<(String, Tensor)>) -> Result<()> {
        weights::load(&self.entries(), state, Head::Strict).map(|_| ())
    }

    /// The bytes of a safetensors file with every parameter and buffer.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        torch::safetensors::to_bytes(&self.state_dict())
    }
}

/// `Invalid` unless class logits `[n, k]` are of so many classes.
pub fn check_classes(logits: &Tensor, classes: i64) -> Result<()> {
    let outputs = logits.shape()[1];
    ensure!(
        outputs >= classes,
        "the data has {classes} classes, the model has outputs for {outputs}"
    );
    ensure!(
        outputs == classes,
        "the data has {classes} classes, the model has outputs for {outputs}; if its others \
         are no classes, as those of label augmentation, make it with `classes: {classes}`"
    );
    Ok(())
}

/// The first `classes` columns of logits `[n, outputs]`; all of them where not known.
pub fn class_logits(logits: &Tensor, classes: Option<i64>) -> Result<Tensor> {
    ensure!(
        logits.ndim() == 2,
        "logits must be [n, outputs], got {}",
        logits.signature()
    );
    match classes {
        Some(classes) if logits.shape()[1] != classes => {
            ensure!(
                classes <= logits.shape()[1],
                "{classes} classes need as many logits, got {}",
                logits.signature()
            );
            logits.narrow(1, 0, classes)
        }
        _ => Ok(logits.clone()),
    }
}

/// One line: the kind, outputs, dtype, device and mode.
impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let dtype = self.dtype().map_or("?", Dtype::name);
        write!(f, "{}(", self.name())?;
        match (self.classes(), self.outputs()) {
            (Some(classes), Some(outputs)) if classes < outputs => {
                write!(
                    f,
                    "{classes} classes + {} transformations, ",
                    outputs - classes
                )?;
            }
            (_, Some(outputs)) => write!(f, "{outputs} classes, ")?,
            _ => {}
        }
        write!(f, "{dtype}, {}", self.device())?;
        write!(
            f,
            ", {} mode)",
            if self.training() { "train" } else { "eval" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::noisy_resnet;
    use crate::torch::autograd::gradients;
    use crate::torch::{Like, Reduction, generator, rand, with_precision};

    /// The loss and the gradients of all parameters in train mode.
    fn learnt(model: &Model, x: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let y = Tensor::from_i64(&[0, 1, 2, 3, 4, 0, 1, 2], &[8])?;
        let loss = model.forward(x)?.cross_entropy(&y, Reduction::Mean)?;
        let parameters: Vec<_> = model.parameters().into_iter().map(|(_, it)| it).collect();
        let found = gradients(&loss, &parameters.iter().collect::<Vec<_>>())?;
        Ok((loss, found))
    }

    /// bfloat16 has 8 bits: each of the twenty layers, forward and backward, adds errors of up to
    /// 2^-9 of its values, and ReLUs near 0 switch. Together that is some percent of a gradient.
    #[test]
    fn lower_precision_learns_nearly_the_same() -> Result<()> {
        let _guard = generator();
        let model = noisy_resnet()?;
        let x = rand(&[8, 3, 16, 16], Like::default())?;
        let (exact_loss, exact) = learnt(&model, &x)?;
        let (loss, found) = with_precision(Precision::Bfloat16, || learnt(&model, &x))?;
        assert!(!loss.equal(&exact_loss)?);
        assert!(loss.all_close(&exact_loss, 0.02, 0.0)?);
        let (mut apart, mut size) = (0.0, 0.0);
        for ((found, exact), (name, weight)) in found.iter().zip(&exact).zip(model.parameters()) {
            assert_eq!(found.dtype()?, Dtype::Float32, "{name}");
            assert_eq!(weight.dtype()?, Dtype::Float32, "{name}");
            apart += found.sub(exact)?.square()?.sum()?.item()?;
            size += exact.square()?.sum()?.item()?;
        }
        assert!((apart / size).sqrt() < 0.08, "{}", (apart / size).sqrt());
        // Nothing is left of it.
        assert!(learnt(&model, &x)?.0.equal(&exact_loss)?);
        Ok(())
    }

    #[test]
    fn only_forward_of_float32_models_is_lowered() -> Result<()> {
        let _guard = generator();
        let model = noisy_resnet()?;
        model.set_training(false);
        let x = rand(&[2, 3, 16, 16], Like::default())?;
        let alike = |x: &Tensor| {
            let own = [model.forward(x)?, model.class_logits_of(5, x)?];
            let lowered = with_precision(Precision::Bfloat16, || -> Result<_> {
                Ok([model.forward(x)?, model.class_logits_of(5, x)?])
            })?;
            let pairs = own.iter().zip(&lowered);
            let equal: Result<Vec<_>> = pairs.map(|(a, b)| a.equal(b)).collect();
            equal
        };
        assert_eq!(alike(&x)?, [false, true]);
        model.to(Some(Dtype::Float64), None)?;
        assert_eq!(alike(&x.to_dtype(Dtype::Float64)?)?, [true, true]);
        Ok(())
    }

    #[test]
    fn what_fails_leaves_the_precision_as_it_was() -> Result<()> {
        let model = noisy_resnet()?;
        let x = rand(&[2, 1, 16, 16], Like::default())?;
        let failed = with_precision(Precision::Bfloat16, || model.forward(&x));
        assert!(failed.is_err());
        assert_eq!(torch::precision(), Precision::Float32);
        let w = rand(&[4, 4], Like::default())?;
        assert_eq!(w.linear(&w, None)?.dtype()?, Dtype::Float32);
        Ok(())
    }
}
