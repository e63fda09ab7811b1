//! Networks: layers with PyTorch's names and initialisation, torchvision's residual networks,
//! and their weight files.

mod around;
mod compiled;
mod container;
mod conv;
mod fingerprint;
mod frozen;
mod init;
mod linear;
mod model;
mod module;
mod norm;
mod normalize;
mod resnet;
mod room;
mod stateless;
mod summary;
#[cfg(test)]
pub(crate) mod testing;
mod watch;
mod weights;

pub use around::{Around, Window};
pub use container::Sequential;
pub use conv::Conv2d;
pub use frozen::{Frozen, Plan};
pub use linear::Linear;
pub use model::{Model, check_classes, class_logits};
pub use module::{Entry, Module, entries};
pub use norm::BatchNorm2d;
pub use normalize::Normalize;
pub use resnet::{Depth, ResNetOptions, Stem, resnet};
pub use room::{Part, Room};
pub use stateless::Stateless;
pub use watch::{Output, Watch};
pub use weights::{Head, LoadReport};
