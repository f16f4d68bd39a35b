//! A graph with the values of its inputs: as text (a failure becomes a file of `suite/random/`), and made smaller.
//!
//! The file is the text form of tensor IR, before it one comment line for each input: `// x0: f32 3f800000 80000000`, the
//! elements' bits.

use nnc::ops::{Op, Type};
use nnc::opt::dce::dce;
use nnc::tensor::data::{Data, Tensor};
use nnc::tensor::interp::{self, Precision};
use nnc::tensor::{Graph, InputRole, Inst, OutputRole, Value, parse, print};

#[derive(Clone)]
pub struct Case {
    pub graph: Graph,
    pub inputs: Vec<(String, Tensor)>,
}

impl Case {
    pub fn named_inputs(&self) -> Vec<(&str, Tensor)> {
        self.inputs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect()
    }

    pub fn print(&self) -> String {
        let inputs = self.inputs.iter().map(|(name, tensor)| format!("// {name}: {}\n", print_data(&tensor.data)));
        inputs.collect::<String>() + &print::print(&self.graph, &print::PrintOptions::default())
    }

    pub fn parse(text: &str) -> Result<Case, String> {
        let graph = parse::parse(text).map_err(|e| format!("{e:?}"))?;
        let line = |name: &str| {
            let prefix = format!("// {name}: ");
            text.lines().find_map(|l| l.strip_prefix(prefix.as_str()))
        };
        let tensor = |(name, ty): (String, &Type)| {
            let data = parse_data(line(&name)?)?;
            Some((name, Tensor::new(ty.shape.clone(), data)?))
        };
        let inputs: Option<Vec<_>> = input_types(&graph).map(tensor).collect();
        Ok(Case { inputs: inputs.ok_or("an input without its values")?, graph })
    }

    /// Instructions that compute something.
    pub fn size(&self) -> usize {
        self.graph.insts.len() - self.graph.inputs.len()
    }

    /// Ends at an instruction: its results are the outputs.
    fn up_to(&self, at: usize) -> Case {
        let mut case = self.clone();
        case.graph.outputs.clear();
        for value in &self.graph.insts[at].results {
            case.graph.output(value.to_string(), OutputRole::Result, *value);
        }
        case.tidied()
    }

    /// In place of an instruction stand inputs with the values that the interpreter finds.
    fn without(&self, at: usize) -> Option<Case> {
        let mut case = self.clone();
        let results = case.graph.insts[at].results.clone();
        let tensors = interp::run(&self.up_to(at).graph, &self.named_inputs(), Precision::F32).ok()?;
        for (value, tensor) in results.into_iter().zip(tensors).rev() {
            let name = case.unused_name();
            let op = Op::Input { name: name.clone() };
            let origin = self.graph.insts[at].origin.clone();
            let inst = Inst { op, args: vec![], results: vec![value], regions: vec![], origin };
            case.graph.insts.insert(at + 1, inst);
            case.graph.inputs.push((value, InputRole::Param));
            case.inputs.push((name, tensor));
        }
        case.graph.insts.remove(at);
        Some(case.tidied())
    }

    fn unused_name(&self) -> String {
        let free = |name: &String| self.inputs.iter().all(|(n, _)| n != name);
        (0..).map(|i| format!("x{i}")).find(free).expect("there are more numbers than inputs")
    }

    /// Without what no output needs, unused inputs too.
    fn tidied(mut self) -> Case {
        self.graph = dce(self.graph);
        let used = |v: &Value, graph: &Graph| {
            graph.insts.iter().any(|i| i.args.contains(v)) || graph.outputs.iter().any(|o| o.value == *v)
        };
        let unused: Vec<Value> = self.graph.inputs.iter().map(|i| i.0).filter(|v| !used(v, &self.graph)).collect();
        self.graph.insts.retain(|i| !i.results.iter().any(|v| unused.contains(v)));
        self.graph.inputs.retain(|(v, _)| !unused.contains(v));
        let names: Vec<String> = input_types(&self.graph).map(|i| i.0).collect();
        self.inputs.retain(|(name, _)| names.contains(name));
        self.graph = dce(self.graph);
        self
    }
}

/// Cuts instructions off at both ends as long as it still fails.
pub fn shrink(mut case: Case, fails: &dyn Fn(&Case) -> bool) -> Case {
    loop {
        let found = smaller(&case).find(fails);
        match found {
            Some(smaller) => case = smaller,
            None => return case,
        }
    }
}

/// Each with fewer instructions than the case.
fn smaller(case: &Case) -> impl Iterator<Item = Case> {
    let computes = |at: &usize| !matches!(case.graph.insts[*at].op, Op::Input { .. });
    let places = || (0..case.graph.insts.len()).filter(computes);
    let shorter = places().map(|at| case.up_to(at));
    let cut = places().filter_map(|at| case.without(at));
    shorter.chain(cut).filter(|c| c.size() < case.size())
}

fn input_types(graph: &Graph) -> impl Iterator<Item = (String, &Type)> {
    graph.insts.iter().filter_map(|inst| Some((inst.input_name()?.into(), graph.ty(inst.results[0]))))
}

fn print_data(data: &Data) -> String {
    let words: Vec<String> = match data {
        Data::F32(v) => v.iter().map(|x| format!("{:x}", x.to_bits())).collect(),
        Data::I32(v) => v.iter().map(|x| format!("{x:x}")).collect(),
        Data::U8(v) => v.iter().map(|x| format!("{x:x}")).collect(),
        Data::Bool(v) => v.iter().map(|x| format!("{:x}", u8::from(*x))).collect(),
        other => panic!("no kernel holds {:?}", other.dtype()),
    };
    format!("{} {}", data.dtype(), words.join(" "))
}

fn parse_data(text: &str) -> Option<Data> {
    let mut words = text.split_whitespace();
    let dtype = words.next()?;
    let bits: Vec<u32> = words.map(|w| u32::from_str_radix(w, 16).ok()).collect::<Option<_>>()?;
    Some(match dtype {
        "f32" => Data::F32(bits.into_iter().map(f32::from_bits).collect()),
        "i32" => Data::I32(bits.into_iter().map(|b| b as i32).collect()),
        "u8" => Data::U8(bits.into_iter().map(|b| b as u8).collect()),
        "bool" => Data::Bool(bits.into_iter().map(|b| b != 0).collect()),
        _ => return None,
    })
}
