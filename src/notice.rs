//! What a user should know and no result tells: whoever computes says it, the host listens.

use std::cell::RefCell;
use std::rc::Rc;

type Listener = Rc<dyn Fn(&str)>;

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// From now on `listener` hears what is told on this thread, and nobody else.
pub fn listen(listener: impl Fn(&str) + 'static) {
    LISTENER.set(Some(Rc::new(listener)));
}

/// Tells it to whoever listens; the same may be told again and again.
pub fn tell(text: &str) {
    let listener = LISTENER.with_borrow(Clone::clone);
    if let Some(listener) = listener {
        listener(text);
    }
}
