//! Label augmentation: Amerehi & Healy, "Narrowing Class-Wise Robustness Gaps in Adversarial
//! Training", <https://arxiv.org/abs/2503.16179>, and "Label Augmentation for Neural Networks
//! Robustness", <https://arxiv.org/abs/2408.01977>.

mod augmentation;

pub use augmentation::{CLEAN, LabelAugmentation, Transform, soft_nll};
