//! Attacks that a script makes of closures.

use super::Attack;
use crate::attack::{OfTwo, Own, OwnOptions, Parts, Searcher, Stepper};
use crate::script::options::{self, describe};
use crate::script::{RhaiResultOf, callback};
use rhai::plugin::*;
use rhai::{FnPtr, Map};
use std::rc::Rc;

/// What a script may bring of its own, and how its closures are called.
const CLOSURES: [(&str, &str); 4] = [
    ("loss", "|logits, y|"),
    ("step", "|x_adv, gradient, x|"),
    ("search", "|x_best, x|"),
    ("project", "|x_adv, x|"),
];

#[derive(Clone)]
struct Closures([Option<FnPtr>; 4]);

impl Closures {
    /// Takes them out of the options; a `loss` may be the name of a built-in one.
    fn take(map: &mut Map) -> RhaiResultOf<Self> {
        let mut closures = [const { None }; 4];
        for ((name, arguments), closure) in CLOSURES.iter().zip(&mut closures) {
            let Some(given) = map.get(*name) else {
                continue;
            };
            *closure = given.clone().flatten().try_cast::<FnPtr>();
            if closure.is_none() && *name == "loss" {
                continue;
            }
            if closure.is_none() {
                let given = describe(given);
                let complaint = format!("`{name}` must be a closure {arguments}, got {given}");
                return Err(format!("own_attack: {complaint}").into());
            }
            map.remove(*name);
        }
        Ok(Closures(closures))
    }

    /// As functions of the domain, which run in the script that calls.
    fn parts<'c>(&self, context: &'c NativeCallContext<'c>) -> Parts<'c> {
        let [loss, step, search, project] = self.0.clone();
        let of_two = |closure: FnPtr| -> OfTwo<'c> {
            Box::new(move |a, b| callback::call(context, &closure, (a.clone(), b.clone())))
        };
        Parts {
            loss: loss.map(of_two),
            step: step.map(|closure| -> Box<dyn Fn() -> Stepper<'c> + 'c> {
                Box::new(move || {
                    let (closure, mut memory) = (closure.clone(), Dynamic::from(Map::new()));
                    Box::new(move |x_adv, gradient, x| {
                        let args = [x_adv, gradient, x].map(|it| Dynamic::from(it.clone()));
                        callback::call_with_memory(context, &closure, &mut memory, args.into())
                    })
                })
            }),
            search: search.map(|closure| -> Box<dyn Fn() -> Searcher<'c> + 'c> {
                Box::new(move || {
                    let (closure, mut memory) = (closure.clone(), Dynamic::from(Map::new()));
                    Box::new(move |best, x| {
                        let args = [best, x].map(|it| Dynamic::from(it.clone()));
                        callback::call_with_memory(context, &closure, &mut memory, args.into())
                    })
                })
            }),
            project: project.map(of_two),
        }
    }

    /// Parts that say which are there: for descriptions, never run.
    fn described(&self) -> Parts<'static> {
        let [loss, step, search, project] = &self.0;
        let nowhere = || bail!("a closure runs in the script that it is of");
        let of_two = |_: &FnPtr| -> OfTwo<'static> { Box::new(move |_, _| nowhere()) };
        Parts {
            loss: loss.as_ref().map(of_two),
            step: step.as_ref().map(|_| -> Box<dyn Fn() -> Stepper<'static>> {
                Box::new(move || Box::new(move |_, _, _| nowhere()))
            }),
            search: search
                .as_ref()
                .map(|_| -> Box<dyn Fn() -> Searcher<'static>> {
                    Box::new(move || Box::new(move |_, _| nowhere()))
                }),
            project: project.as_ref().map(of_two),
        }
    }
}

#[export_module]
pub mod functions {
    /// An attack of your own, as a value: a loss, a step, a search or a projection as closures,
    /// the rest as in PGD. It goes wherever a built-in attack does: `perturb`, evaluations,
    /// training, the `attacks` of `autoattack`.
    ///
    /// - `eps` (default none, for a `project` of your own): radius of the ball, in pixels of [0, 1]
    /// - `steps`: how often it steps
    /// - `name` (default `"own"`): in tables and records
    /// - `loss` (default `"cross_entropy"`): what is ascended, `"margin"`, `"dlr"`, or a closure
    ///   `|logits, y|` to one number for each image, `[n]`
    /// - `step` (default a step along the gradient): a closure `|x_adv, gradient, x|` to the next
    ///   images, before they are projected. `this` is a map of each run, empty at its start, for
    ///   what the closure wants to remember
    /// - `search` (default none): instead of `step`, a closure `|x_best, x|` to images that are tried
    ///   next, without a gradient; each image stays where its loss does not rise
    /// - `project` (default into the ball): a closure `|x_adv, x|` to the nearest images that are
    ///   allowed. Images are kept in [0, 1] after it
    /// - `norm` (default `"linf"`): or `"l2"`, of the ball, the step and the random start
    /// - `step_size` (default `2.5 * eps / steps`): in the units of `eps`
    /// - `random_start` (default true where there is an `eps`): begin at a random point of the ball
    /// - `restarts` (default 1): the worst case over so many runs is kept for each image
    /// - `outputs` (default `"class"`), `mode` (default `"eval"`): as for `pgd`
    ///
    /// `logits` are the class outputs (with `outputs: "all"` all of them). The loss is what the
    /// gradient is of and by which restarts are compared; high is good for the attacker.
    ///
    /// Errors: what a closure raises, with its line; images of another shape, a loss that is not
    /// one number for each image; neither `eps` nor `project`; `step` and `search` at once.
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = rand([2, 3, 2, 2]);
    /// let y = model.predict(x);
    /// // Down with the logit of the class, wherever that leads.
    /// let down = own_attack(#{
    ///     name: "down", eps: px(8), steps: 5,
    ///     loss: |logits, y| -logits.gather(1, y.unsqueeze(1)).squeeze(1),
    /// });
    /// let x_adv = down.perturb(model, x, y);
    /// assert((x_adv - x).abs().max().item() <= px(8) + 1e-6);
    /// print(down);  //> down(eps: 0.0313..., loss: closure, ...
    /// ```
    ///
    /// ```rhai
    /// // Random search for the worst brightness, the same for all pixels.
    /// let brightness = own_attack(#{
    ///     steps: 10, eps: 0.2, random_start: false,
    ///     search: |best, x| x + (rand([x.shape[0], 1, 1, 1]) * 0.4 - 0.2),
    /// });
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = full([1, 3, 2, 2], 0.5);
    /// let change = brightness.perturb(model, x, tensor([0])) - x;
    /// assert(change.std().item() < 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn own_attack(mut options: Map) -> RhaiResultOf<Attack> {
        let closures = Closures::take(&mut options)?;
        let options: OwnOptions = options::read("own_attack", options)?;
        let plain = Own::new(options.clone(), closures.described())?;
        let of = closures.0.iter().flatten();
        let of = of.map(callback::identity).collect();
        Ok(Attack::bound(plain, of, move |context| {
            Ok(Rc::new(Own::new(options.clone(), closures.parts(context))?))
        }))
    }
}
