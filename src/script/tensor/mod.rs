//! Tensors in scripts, with PyTorch's names.
//!
//! Functions take their first argument by value (a clone shares the entries), so that
//! constants can be receivers. Operands that may be a tensor or a number come as `Dynamic`,
//! except where a script-level operation must be cheap (`arithmetic`).

mod args;
mod arithmetic;
mod autograd;
mod convert;
mod create;
mod entrywise;
mod files;
mod functional;
mod index;
mod reduce;
mod shape;

use super::RhaiResultOf;
use crate::torch::Tensor;
use rhai::plugin::*;

pub fn module() -> Module {
    let mut functions = Module::new();
    let module = &mut functions;
    module.set_custom_type::<Tensor>("tensor");
    module.set_doc("/// Tensors, with PyTorch's names and rules.");
    combine_with_exported_module!(module, "create", create::functions);
    combine_with_exported_module!(module, "convert", convert::functions);
    arithmetic::register(module);
    combine_with_exported_module!(module, "entrywise", entrywise::functions);
    combine_with_exported_module!(module, "pairs", entrywise::pairs);
    reduce::register(module);
    combine_with_exported_module!(module, "shape", shape::functions);
    combine_with_exported_module!(module, "index", index::functions);
    combine_with_exported_module!(module, "autograd", autograd::functions);
    combine_with_exported_module!(module, "functional", functional::functions);
    combine_with_exported_module!(module, "files", files::functions);
    module.set_iter_result(TypeId::of::<Tensor>(), |tensor| rows(tensor.cast()));
    functions
}

/// What `for row in x` goes through: the parts along the first dimension.
fn rows(tensor: Tensor) -> Box<dyn Iterator<Item = RhaiResultOf<Dynamic>>> {
    match tensor.dim(0) {
        Ok(n) => Box::new((0..n).map(move |at| Ok(Dynamic::from(tensor.select(0, at)?)))),
        Err(_) => Box::new(std::iter::once(Err(
            "a tensor without dimensions has no rows to loop over".into(),
        ))),
    }
}
