//! Operators: tensors with tensors, and with numbers on either side.
//!
//! Rhai looks up a function by the exact types of its arguments first. The five forms that
//! work are exact, so that `x * 0.999 + 0.001` costs five lookups less than through `Dynamic`;
//! whatever else meets a tensor ends in the last two, which say what came. Without these,
//! Rhai's own `==` would call values of different types unequal and `!=` different.

use crate::script::names::a_type;
use crate::script::{Failure, RhaiResultOf};
use crate::torch::{Dtype, Tensor};
use rhai::plugin::*;

macro_rules! operators {
    ($(
        $(#[$doc:meta])*
        $module:ident $symbol:tt: |$x:ident, $y:ident| $forward:expr, |$number:ident, $t:ident| $reversed:expr;
    )*) => {
        $(
            #[export_module]
            mod $module {
                use super::*;

                $(#[$doc])*
                #[rhai_fn(name = $symbol, return_raw)]
                pub fn tensors($x: Tensor, $y: Tensor) -> RhaiResultOf<Tensor> {
                    Ok(($forward)?)
                }

                #[rhai_fn(name = $symbol, return_raw)]
                pub fn tensor_float($x: Tensor, $y: f64) -> RhaiResultOf<Tensor> {
                    Ok(($forward)?)
                }

                #[rhai_fn(name = $symbol, return_raw)]
                pub fn tensor_int($x: Tensor, $y: i64) -> RhaiResultOf<Tensor> {
                    Ok(($forward)?)
                }

                #[rhai_fn(name = $symbol, return_raw)]
                pub fn float_tensor($number: f64, $t: Tensor) -> RhaiResultOf<Tensor> {
                    Ok(($reversed)?)
                }

                #[rhai_fn(name = $symbol, return_raw)]
                pub fn int_tensor($number: i64, $t: Tensor) -> RhaiResultOf<Tensor> {
                    Ok(($reversed)?)
                }

                #[rhai_fn(name = $symbol, return_raw)]
                pub fn tensor_other(x: Tensor, y: Dynamic) -> RhaiResultOf<Tensor> {
                    Err(no_operands($symbol, &Dynamic::from(x), &y))
                }

                #[rhai_fn(name = $symbol, return_raw)]
                pub fn other_tensor(x: Dynamic, y: Tensor) -> RhaiResultOf<Tensor> {
                    Err(no_operands($symbol, &x, &Dynamic::from(y)))
                }
            }
        )*

        pub fn register(module: &mut Module) {
            $(combine_with_exported_module!(module, stringify!($module), $module);)*
            combine_with_exported_module!(module, "one_sided", one_sided);
            combine_with_exported_module!(module, "logic", logic);
        }
    };
}

operators! {
    /// The sum of two tensors, or of a tensor and a number, with broadcasting.
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) + tensor([10, 20])).to_array() == [11, 22]);
    /// assert((1 + zeros([2, 1]) + zeros([3])).shape == [2, 3]);
    /// ```
    add "+": |x, y| x.add(y), |number, x| x.add(number);

    /// The difference of two tensors, or of a tensor and a number, with broadcasting.
    ///
    /// ```rhai
    /// assert((1 - tensor([1, 2])).to_array() == [0, -1]);
    /// ```
    sub "-": |x, y| x.sub(y), |number, x| x.rsub(number);

    /// The product of two tensors entry by entry, or of a tensor and a number, with
    /// broadcasting.
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) * 0.5).to_array() == [0.5, 1.0]);
    /// ```
    mul "*": |x, y| x.mul(y), |number, x| x.mul(number);

    /// The quotient of two tensors entry by entry, or of a tensor and a number, with
    /// broadcasting. Integers too give a floating-point tensor.
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) / 2).to_array() == [0.5, 1.0]);
    /// assert((1 / tensor([2, 4])).to_array() == [0.5, 0.25]);
    /// ```
    div "/": |x, y| x.div(y), |number, x| x.rdiv(number);

    /// The remainder entry by entry, with the sign of the divisor as in Python.
    ///
    /// ```rhai
    /// assert((tensor([7, -7]) % 3).to_array() == [1, 2]);
    /// ```
    remainder "%": |x, y| x.remainder(y), |number, x| x.rremainder(number);

    /// The power of two tensors entry by entry, or of a tensor and a number.
    ///
    /// ```rhai
    /// assert((tensor([1, 2, 3]) ** 2).to_array() == [1, 4, 9]);
    /// assert((2 ** tensor([1, 2, 3])).to_array() == [2, 4, 8]);
    /// ```
    power "**": |x, y| x.pow(y), |number, x| x.rpow(number);

    /// Entry by entry, whether two tensors, or a tensor and a number, are equal: a bool tensor.
    ///
    /// For one answer use `x.equal(y)`, or `(x == y).all().item()`. Compared with `()`, which
    /// `x.grad` may be, the answer is a plain false.
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) == tensor([1, 3])).to_array() == [true, false]);
    /// assert(tensor([1, 2]).grad == ());
    /// ```
    equal "==": |x, y| x.eq(y), |number, x| x.eq(number);

    /// Entry by entry, whether two tensors, or a tensor and a number, differ: a bool tensor.
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) != 1).to_array() == [false, true]);
    /// ```
    not_equal "!=": |x, y| x.ne(y), |number, x| x.ne(number);

    /// Entry by entry, whether the left is less: a bool tensor.
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) < 2).to_array() == [true, false]);
    /// ```
    less "<": |x, y| x.lt(y), |number, x| x.gt(number);

    /// Entry by entry, whether the left is at most the right: a bool tensor.
    ///
    /// ```rhai
    /// assert((2 <= tensor([1, 2])).to_array() == [false, true]);
    /// ```
    at_most "<=": |x, y| x.le(y), |number, x| x.ge(number);

    /// Entry by entry, whether the left is greater: a bool tensor.
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) > 1).to_array() == [false, true]);
    /// ```
    greater ">": |x, y| x.gt(y), |number, x| x.lt(number);

    /// Entry by entry, whether the left is at least the right: a bool tensor.
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) >= tensor([2, 2])).to_array() == [false, true]);
    /// ```
    at_least ">=": |x, y| x.ge(y), |number, x| x.le(number);
}

/// The forms that only one operator has.
#[export_module]
mod one_sided {
    #[rhai_fn(name = "-", return_raw)]
    pub fn negated(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.neg()?)
    }

    #[rhai_fn(name = "+")]
    pub fn unchanged(x: Tensor) -> Tensor {
        x
    }

    #[rhai_fn(name = "+")]
    pub fn after_text(text: &str, x: Tensor) -> String {
        format!("{text}{x}")
    }

    #[rhai_fn(name = "+")]
    pub fn before_text(x: Tensor, text: &str) -> String {
        format!("{x}{text}")
    }

    #[rhai_fn(name = "==")]
    pub fn is_nothing(_x: Tensor, _nothing: ()) -> bool {
        false
    }

    #[rhai_fn(name = "==")]
    pub fn nothing_is(_nothing: (), _x: Tensor) -> bool {
        false
    }

    #[rhai_fn(name = "!=")]
    pub fn is_something(_x: Tensor, _nothing: ()) -> bool {
        true
    }

    #[rhai_fn(name = "!=")]
    pub fn something_is(_nothing: (), _x: Tensor) -> bool {
        true
    }
}

#[export_module]
mod logic {
    /// Entry by entry, whether both of two bool tensors are true.
    ///
    /// ```rhai
    /// let x = arange(5);
    /// assert(((x > 1) & (x < 4)).to_array() == [false, false, true, true, false]);
    /// ```
    #[rhai_fn(name = "&", return_raw)]
    pub fn and(x: Tensor, y: Tensor) -> RhaiResultOf<Tensor> {
        check_masks("&", &[&x, &y])?;
        Ok(x.logical_and(&y)?)
    }

    /// Entry by entry, whether one of two bool tensors is true, or both.
    ///
    /// ```rhai
    /// let x = arange(3);
    /// assert(((x < 1) | (x > 1)).to_array() == [true, false, true]);
    /// ```
    #[rhai_fn(name = "|", return_raw)]
    pub fn or(x: Tensor, y: Tensor) -> RhaiResultOf<Tensor> {
        check_masks("|", &[&x, &y])?;
        Ok(x.logical_or(&y)?)
    }

    /// Entry by entry, whether exactly one of two bool tensors is true.
    ///
    /// ```rhai
    /// let x = arange(3);
    /// assert(((x > 0) ^ (x > 1)).to_array() == [false, true, false]);
    /// ```
    #[rhai_fn(name = "^", return_raw)]
    pub fn xor(x: Tensor, y: Tensor) -> RhaiResultOf<Tensor> {
        check_masks("^", &[&x, &y])?;
        Ok(x.logical_xor(&y)?)
    }

    /// A bool tensor with true and false exchanged.
    ///
    /// ```rhai
    /// assert((!tensor([true, false])).to_array() == [false, true]);
    /// ```
    #[rhai_fn(name = "!", return_raw)]
    pub fn not(x: Tensor) -> RhaiResultOf<Tensor> {
        check_masks("!", &[&x])?;
        Ok(x.logical_not()?)
    }
}

fn check_masks(operator: &str, tensors: &[&Tensor]) -> crate::Result<()> {
    for tensor in tensors {
        ensure!(
            tensor.dtype()? == Dtype::Bool,
            "`{operator}` takes bool tensors, got {}",
            tensor.signature()
        );
    }
    Ok(())
}

fn no_operands(operator: &str, x: &Dynamic, y: &Dynamic) -> Failure {
    let (left, right) = (a_type(x.type_name()), a_type(y.type_name()));
    format!("`{operator}` takes tensors and numbers, got {left} and {right}").into()
}
