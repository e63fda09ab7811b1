//! Images that come as tensors, and tensors of images.

use super::Image;
use crate::Result;
use crate::torch::Tensor;

/// What a pixel may be beyond [0, 1] by rounding.
const ROUNDING: f64 = 1e-4;

/// The images of `[3, h, w]`, `[1, h, w]` (grey) or a batch of these, in [0, 1], rounded to 8
/// bits. `what` is the argument that errors name.
///
/// # Errors
/// `Invalid` for another shape, integers or pixels outside of [0, 1].
pub fn images(what: &str, tensor: &Tensor) -> Result<Vec<Image>> {
    let (n, channels, height, width) = match tensor.shape()[..] {
        [channels @ (1 | 3), height, width] => (1, channels, height, width),
        [n, channels @ (1 | 3), height, width] => (n, channels, height, width),
        _ => bail!(
            "`{what}` must be [3, h, w], [1, h, w] or a batch of these, got {}",
            tensor.signature()
        ),
    };
    ensure!(
        tensor.numel() > 0 && tensor.dtype()?.is_float(),
        "`{what}` must hold floating-point pixels in [0, 1], got {}",
        tensor.signature()
    );
    let (low, high) = tensor.amin_amax()?;
    let (low, high) = (low.item()?, high.item()?);
    // NaN, which spreads to both, is neither.
    ensure!(
        low >= -ROUNDING && high <= 1.0 + ROUNDING,
        "`{what}` must lie in [0, 1], got values from {low} to {high}"
    );
    let pixels = tensor
        .detach()?
        .reshape(&[n, channels, height, width])?
        .expand(&[n, 3, height, width])?
        .clamp(0.0, 1.0)?
        .mul(255.0)?
        .round()?
        .permute(&[0, 2, 3, 1])?
        .to_vec_u8()?;
    let (height, width) = (height as usize, width as usize);
    pixels
        .chunks_exact(3 * height * width)
        .map(|pixels| Image::new(width, height, pixels.to_vec()))
        .collect()
}

/// Images of one size as float32 `[n, 3, h, w]` in [0, 1].
///
/// # Errors
/// `Invalid` for no images or sizes that differ.
pub fn batch(images: &[Image]) -> Result<Tensor> {
    let Some(first) = images.first() else {
        bail!("a batch needs at least one image");
    };
    let (height, width) = (first.height(), first.width());
    let each = 3 * height * width;
    let mut planes = vec![0; each * images.len()];
    for (image, planes) in images.iter().zip(planes.chunks_exact_mut(each)) {
        ensure!(
            (image.height(), image.width()) == (height, width),
            "the images of a batch must have one size, got {width} x {height} and {} x {}",
            image.width(),
            image.height()
        );
        image.write_planes(planes);
    }
    let shape = [images.len() as i64, 3, height as i64, width as i64];
    Tensor::from_u8_fractions(&planes, &shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() -> Result<()> {
        let grey = Tensor::from_f32(&[0.0, 1.0, 0.2, 1.00001], &[2, 1, 1, 2])?;
        let both = images("x", &grey)?;
        assert_eq!(both[0].pixels(), [0, 0, 0, 255, 255, 255]);
        assert_eq!(both[1].pixels(), [51, 51, 51, 255, 255, 255]);
        let one = Tensor::from_f32(&[1.0, 0.0, 0.0], &[3, 1, 1])?;
        assert_eq!(images("x", &one)?[0].pixels(), [255, 0, 0]);
        Ok(())
    }

    #[test]
    fn what_is_no_image_is_said() -> Result<()> {
        let refusal = |tensor: Tensor| images("x", &tensor).unwrap_err().to_string();
        assert_eq!(
            refusal(Tensor::from_f32(&[0.0; 4], &[2, 2])?),
            "`x` must be [3, h, w], [1, h, w] or a batch of these, got float32[2, 2]"
        );
        assert_eq!(
            refusal(Tensor::from_i64(&[0; 3], &[3, 1, 1])?),
            "`x` must hold floating-point pixels in [0, 1], got int64[3, 1, 1]"
        );
        assert_eq!(
            refusal(Tensor::from_f32(&[-1.0, 0.0, 2.0], &[3, 1, 1])?),
            "`x` must lie in [0, 1], got values from -1 to 2"
        );
        Ok(())
    }
}
