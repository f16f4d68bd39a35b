//! Functions of the language that need the checker itself: they work on layers and initializers, not on tensors alone.

use super::checker::Checker;
use super::layer::Place;
use super::scope::{Frame, Owner};
use super::value::{CallArg, InstanceId, Value};
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{DType, Type};
use crate::source::Span;

#[derive(Clone, Copy)]
pub enum Intrinsic {
    /// `reorder(layer, parents)` permutes the rows of all states below a layer.
    Reorder,
    /// `another(layer)` is a layer of the same kind with the same arguments, and parameters of its own.
    Another,
    /// `initial(init, shape)` is the tensor that an initializer gives.
    Initial,
}

impl Intrinsic {
    pub fn of(name: &str) -> Option<Intrinsic> {
        match name {
            "reorder" => Some(Intrinsic::Reorder),
            "another" => Some(Intrinsic::Another),
            "initial" => Some(Intrinsic::Initial),
            _ => None,
        }
    }
}

impl Checker {
    pub fn eval_intrinsic(&mut self, intrinsic: Intrinsic, args: Vec<CallArg>, span: Span) -> Value {
        if args.iter().any(|a| a.value.is_error()) {
            return Value::Error;
        }
        match intrinsic {
            Intrinsic::Reorder => self.eval_reorder(args, span),
            Intrinsic::Another => self.eval_another(&args, span),
            Intrinsic::Initial => self.eval_initial(&args, span),
        }
    }

    fn eval_another(&mut self, args: &[CallArg], span: Span) -> Value {
        let [CallArg { value: Value::Instance(id), .. }] = args else { return self.report(another_of_what(span)) };
        match self.place.clone() {
            Some(place) => self.replicate(*id, place, span),
            None => self.report(another_in_function(span)),
        }
    }

    /// An instance like this one at another place; what was constructed for its arguments is made anew too.
    fn replicate(&mut self, id: InstanceId, place: Place, span: Span) -> Value {
        let first = &self.instances[id.0 as usize];
        let (block, from, given, args) =
            (first.def.clone(), first.place.clone(), first.given.clone(), first.args.clone());
        let copy = self.add_instance(&block, place, span);
        self.instances[copy.0 as usize].given = given;
        for (name, value) in args {
            let value = self.in_place(&name, |c| c.replicate_value(value, &from, span));
            self.instances[copy.0 as usize].args.push((name, value));
        }
        let holds = self.without_place(|c| c.in_frame(Frame::new(Owner::Instance(copy)), |c| c.realize(copy)));
        if holds { Value::Instance(copy) } else { Value::Error }
    }

    fn replicate_value(&mut self, value: Value, owner: &Place, span: Span) -> Value {
        match value {
            Value::Instance(id) if self.instances[id.0 as usize].place.is_below(owner) => match self.place.clone() {
                Some(place) => self.replicate(id, place, span),
                None => Value::Error,
            },
            Value::List(items) => {
                let one = |(i, v): (usize, Value)| self.in_place(&i.to_string(), |c| c.replicate_value(v, owner, span));
                Value::List(items.into_iter().enumerate().map(one).collect())
            }
            value => value,
        }
    }

    fn eval_initial(&mut self, args: &[CallArg], span: Span) -> Value {
        let [CallArg { value: init, .. }, CallArg { value: Value::List(shape), .. }] = args else {
            return self.report(initial_arguments(span));
        };
        let dims: Option<Vec<Dim>> =
            shape.iter().map(|v| if let Value::Dim(d) = v { Some(d.clone()) } else { None }).collect();
        let Some(dims) = dims else { return self.report(initial_arguments(span)) };
        let value = self.initial_value(init.clone(), &Type::new(DType::F32, dims), span);
        value.map_or(Value::Error, Value::Tensor)
    }
}

impl Place {
    /// Whether it belongs to what stands at the other place.
    pub fn is_below(&self, other: &Place) -> bool {
        let inner: &str = &self.path;
        self.root == other.root
            && (other.path.is_empty() || inner.strip_prefix(&*other.path).is_some_and(|rest| rest.starts_with('.')))
    }
}

fn another_of_what(span: Span) -> Diagnostic {
    Diagnostic::error(Code(419), "`another` takes one layer").label(span, "expected something like `another(cell)`")
}

fn another_in_function(span: Span) -> Diagnostic {
    Diagnostic::error(Code(401), "`another` makes a layer inside a function")
        .label(span, "each call would make new parameters")
        .help("declare it as a member, `second = another(first)`, and call that here")
}

fn initial_arguments(span: Span) -> Diagnostic {
    Diagnostic::error(Code(420), "`initial` takes an initializer and a shape")
        .label(span, "expected something like `initial(init, [count, width])`")
}
