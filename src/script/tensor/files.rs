//! Tensors in files, and pictures.

use super::args;
use crate::Result;
use crate::data::{self, Image};
use crate::script::{Host, RhaiResultOf, options};
use crate::torch::{Tensor, safetensors};
use rhai::Map;
use rhai::plugin::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    size: Option<u32>,
}

#[export_module]
pub mod functions {
    /// Writes a map of tensors to a safetensors file, which Python reads too.
    ///
    /// The file is written whole or not at all, and replaces one of the same name.
    ///
    /// - `path`: relative to the run folder; elsewhere needs `--allow-write`
    /// - `tensors`: names and tensors
    ///
    /// ```rhai
    /// save_tensors("example.safetensors", #{ weight: eye(2), step: tensor(3) });
    /// let stored = load_tensors("example.safetensors");
    /// assert(stored.weight.equal(eye(2)));
    /// assert(stored.step.item() == 3);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save_tensors(context: NativeCallContext, path: &str, tensors: Map) -> RhaiResultOf<()> {
        let entries = tensors
            .into_iter()
            .map(|(name, value)| {
                let tensor = args::tensor(&format!("tensors.{name}"), value)?;
                Ok((name.to_string(), tensor))
            })
            .collect::<Result<Vec<(String, Tensor)>>>()?;
        let target = Host::of(&context).target(path)?;
        Ok(target.write(&safetensors::to_bytes(&entries)?)?)
    }

    /// The tensors of a safetensors file, a map by name, on the CPU.
    ///
    /// - `path`: relative to the run folder, the current folder or the script's
    ///
    /// A name with dots is read as `stored["layer1.0.weight"]`.
    ///
    /// ```rhai
    /// save_tensors("example.safetensors", #{ "layer1.weight": ones([2]) });
    /// assert(load_tensors("example.safetensors")["layer1.weight"].shape == [2]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn load_tensors(context: NativeCallContext, path: &str) -> RhaiResultOf<Map> {
        let entries = safetensors::load(&Host::of(&context).file(path)?)?;
        Ok(entries
            .into_iter()
            .map(|(name, tensor)| (name.into(), Dynamic::from(tensor)))
            .collect())
    }

    /// Reads a JPEG or PNG file: float32 `[3, h, w]` in [0, 1], red, green, blue.
    ///
    /// For a model, which takes `[n, 3, h, w]`, use `read_image(path).unsqueeze(0)`.
    ///
    /// - `path`: relative to the run folder, the current folder or the script's
    /// - `size` (default none): the side of a square to which the image is resized and cut, as
    ///   the test images of a data set are (torchvision's `Resize` and `CenterCrop`)
    ///
    /// Errors: a file that is not there, is damaged or may not be read.
    ///
    /// ```rhai
    /// write_image("example.png", ones([3, 4, 5]));
    /// let image = read_image("example.png");
    /// assert(image.shape == [3, 4, 5]);
    /// assert(image.min().item() == 1.0);
    /// assert(read_image("example.png", #{ size: 32 }).shape == [3, 32, 32]);
    /// ```
    #[rhai_fn(name = "read_image", return_raw)]
    pub fn read_image(context: NativeCallContext, path: &str) -> RhaiResultOf<Tensor> {
        read_image_with(context, path, Map::new())
    }

    #[rhai_fn(name = "read_image", return_raw)]
    pub fn read_image_with(
        context: NativeCallContext,
        path: &str,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let Reading { size } = options::read("read_image", options)?;
        let image = data::read_image(&Host::of(&context).file(path)?)?;
        let image = match size {
            Some(size) => data::test_square(image, size)?,
            None => image,
        };
        Ok(data::batch(&[image])?.select(0, 0)?)
    }

    /// Writes an image to a PNG file, rounded to 8 bits.
    ///
    /// - `path`: relative to the run folder; elsewhere needs `--allow-write`
    /// - `image`: `[3, h, w]`, `[1, h, w]` (grey) or one of these in a batch of 1; in [0, 1]
    ///
    /// ```rhai
    /// let image = rand([3, 4, 5]);
    /// write_image("example.png", image);
    /// assert((read_image("example.png") - image).abs().max().item() < px(0.51));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn write_image(context: NativeCallContext, path: &str, image: Tensor) -> RhaiResultOf<()> {
        let image = to_image(&image)?;
        let target = Host::of(&context).target(path)?;
        Ok(target.write(&data::png(&image)?)?)
    }
}

/// The one image of `[3, h, w]`, `[1, h, w]` or a batch of 1.
fn to_image(tensor: &Tensor) -> Result<Image> {
    let shape = tensor.shape();
    ensure!(
        matches!(shape[..], [1 | 3, _, _] | [1, 1 | 3, _, _]),
        "`image` must be [3, h, w] or [1, h, w], got {shape:?}"
    );
    Ok(data::images("image", tensor)?.remove(0))
}
