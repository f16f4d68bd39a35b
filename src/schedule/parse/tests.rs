use super::*;
use crate::ops::DType;

const STEP: &str = r#"step "step" {
  "Digits.\"image\"" -> b0
  "head.bias" -> b1
  b3, b4 = k0 rows(b0, b1) over 16
  loop 3 reverse while barrier b5[odd0 * 1] {
    barrier
    b6[even0 * 64], b7 = k2 dot(b6[odd0 * 64], b8[i0 * 64 + 128]) over 4
    loop 2 {
      b9[i0 * 8 + i1 * 4] = k3 map(b8) over 1
    } then {
      b10 = k3 map(b9[4]) over 1
    }
  }
  barrier
  loop 3 in 2 shares {
    b11 = k5 dot(b10) over 7 by 4
  }
  barrier
  b1 = k12 head_columns() over 1
  b1 -> "head.bias"
  b4 -> "loss is finite"
}
"#;

const BUFFERS: &str = r#"b0 i32[], 64 bytes, input 11: "step"
b1 f32[8, 24] with a pitch of 32, 1024 bytes, arena + 64: "a \"b\" c"
b2 u8[3], 64 bytes, constant 0: "k"
arena of 1088 bytes
"#;

#[test]
fn step_programs_round_trip() {
    let read = step(STEP).unwrap();
    assert_eq!(read.to_string(), STEP);
    assert_eq!(read.inputs[0], ("Digits.\"image\"".into(), BufferId(0)));
    let [ItemText::Launch(first), ItemText::Loop(inner), ItemText::Loop(shared), ItemText::Launch(last)] =
        &read.items[..]
    else {
        panic!("{read:?}")
    };
    assert_eq!((first.barrier, first.kernel, first.points), (false, 0, 16));
    assert_eq!((last.barrier, last.kernel, last.points), (true, 12, 1));
    assert_eq!(first.writes, [BufferId(3).into(), BufferId(4).into()]);
    assert_eq!((inner.length, inner.reverse, inner.items.len()), (3, true, 2));
    let flag = Arg { buffer: BufferId(5), offset: 0, steps: vec![Step { depth: 0, pick: Pick::Odd, stride: 1 }] };
    assert_eq!((inner.shares, shared.shares), (None, Some(Shares { count: 2, barrier: true })));
    assert!(matches!(&shared.items[..], [ItemText::Launch(l)] if l.share == 4 && !l.barrier), "{shared:?}");
    assert_eq!(inner.condition, Some(Condition { flag, barrier: true }));
    assert_eq!(read.outputs[1], (BufferId(4), "loss is finite".into()));
}

#[test]
fn tables_of_buffers_round_trip() {
    let read = buffers(BUFFERS).unwrap();
    assert_eq!(read.to_string(), BUFFERS);
    assert_eq!(read.rows[1].ty.to_string(), "f32[8, 24]");
    assert_eq!((read.rows[1].layout, read.rows[1].place), (Layout::Padded { pitch: 32 }, Place::Arena { offset: 64 }));
    assert_eq!((read.rows[2].ty.dtype, read.rows[2].place), (DType::U8, Place::Constant { data: 0 }));
    assert_eq!(read.arena_bytes, 1088);
}

#[test]
fn errors_name_the_line() {
    let fails = |text: &str, message: &str| assert_eq!(step(text), Err(message.to_string()));
    fails("step \"s\" {\n b1 = rows() over 3\n}", "line 2: expected a kernel, found Word(\"rows\")");
    fails("step \"s\" {\n barrier\n}", "line 3: expected a buffer, found Sign('}')");
    fails("step \"s\" {", "expected a buffer, found the end");
    fails("step \"s\" {\n barrier loop 3 {", "line 2: expected `in`, found Sign('{')");
    fails("step \"s\" {\n loop 3 while {", "line 2: expected a buffer, found Sign('{')");
    fails("step \"s\" {\n b1[j0 * 3] = k0 map() over 1\n}", "line 2: expected a loop, found Word(\"j0\")");
    fails("step \"s\" {\n b1[i0 * 3 +] = k0 map() over 1\n}", "line 2: expected an element, found Sign(']')");
    let wrong = "b0 i32[], 64 bytes, heap 3: \"x\"\narena of 0 bytes";
    assert_eq!(
        buffers(wrong),
        Err("line 1: expected a place after `arena`, `input` or `constant`, found Lit(Int(3))".into())
    );
}
