"""The built-in grammars: what they accept and refuse, judged by the engine, by Lark and by other programs.

Small examples go through the engine and through Lark; the collections of real texts (CFGDECODE_DATA, by default
../shared/data beside the repository) go through the engine, and a few short ones through Lark, whose Earley parser
takes seconds on a page of C++. Python's `ast`, `re` and expat judge the grammars for what they read.
Figures that are asserted here are those that cfgdecode/grammars/README.md tells.
"""

from __future__ import annotations

import ast
import base64
import inspect
import json
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
import warnings
import xml.parsers.expat
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lark import Lark
from lark.exceptions import UnexpectedInput

import cfgdecode as cd

ROOT = Path(__file__).resolve().parents[1]
GRAMMARS = ROOT / "cfgdecode" / "grammars"
DATA = Path(os.environ.get("CFGDECODE_DATA", ROOT.parent / "shared" / "data"))
NAMES = sorted(path.stem for path in GRAMMARS.glob("*.lark"))


def header(name: str, key: str) -> list[str]:
    found = re.search(rf"^// {key}: (.+)$", (GRAMMARS / f"{name}.lark").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{name}.lark has no line // {key}: ..."
    return found.group(1).split(", ")


@cache
def grammar(name: str, start: str | None = None) -> cd.Grammar:
    return cd.Grammar.builtin(name, start=start)


@cache
def lark(name: str, start: str | None = None) -> Lark:
    text = (GRAMMARS / f"{name}.lark").read_text(encoding="utf-8")
    return Lark(text, parser="earley", lexer=header(name, "lexer")[0], start=start or header(name, "start")[0])


def lark_accepts(name: str, text: str, start: str | None = None) -> bool:
    try:
        lark(name, start).parse(text)
    except UnexpectedInput:
        return False
    return True


def examples(block: str) -> list[str]:
    """One text per line of the block, as it is; behind a `%` it is a Python literal."""
    lines = block.strip("\n").split("\n")
    return [ast.literal_eval(line[1:]) if line.startswith("%") else line for line in lines]


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / f"{name}.jsonl"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there: set CFGDECODE_DATA to the folder with the test collections")
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def wrong(name: str, texts: Iterable[str], want: bool, start: str | None = None) -> list[str]:
    """The texts on which the engine's verdict is not the wanted one."""
    judge = grammar(name, start)
    return [text for text in texts if judge.accepts(text) != want]


# --- all of them -------------------------------------------------------------------------------------------


def test_there_are_the_grammars_that_the_readme_lists() -> None:
    readme = (GRAMMARS / "README.md").read_text(encoding="utf-8")
    assert cd.Grammar.builtins() == NAMES
    assert all(f"`{name}.lark`" in readme for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_point_loads_and_has_a_language(name: str) -> None:
    assert header(name, "lexer")[0] in ("basic", "dynamic", "dynamic_complete")
    for start in header(name, "start"):
        entry = grammar(name, start)
        assert entry.lexer == header(name, "lexer")[0]
        assert not entry.is_empty()
        shortest = entry.complete([cd.GAP])
        assert shortest is not None
        assert entry.accepts(shortest)
        assert lark_accepts(name, shortest, start)


@pytest.mark.parametrize(
    ("name", "rules", "terminals"),
    [
        ("arithmetic", 30, 15),
        ("cpp", 600, 130),
        ("json", 20, 15),
        ("python_expr", 180, 65),
        ("regex", 40, 30),
        ("smiles", 30, 10),
        ("sql", 165, 80),
        ("xml", 40, 12),
    ],
)
def test_grammars_stay_small(name: str, rules: int, terminals: int) -> None:
    compiled = lark(name)
    assert len(compiled.rules) <= rules
    assert len(compiled.terminals) <= terminals


ACCEPTED = {
    "arithmetic": r"""
1
1+2*3
-(x) ^ -2
f(1, g(), .5e-3) ** 2 % y
 ( 1. ) 
""",
    "json": r"""
0
-0.5e+10
"\u00e9\n\/"
{"a": [true, false, null, {}]}
%" [ ]\r\n\t"
%"\"\x7f\""
""",
    "json object": r"""
{}
{"a":1}
""",
    "smiles": r"""
C
CCO
c1ccccc1
C(=O)(O)N
[13CH3-]
[nH]
N[C@@H](C)C(=O)O
C%12CC%12
[Na+].[Cl-]
F/C=C\F
[Fe++]
[*:1]C
C(.C)C
Sc1ccccc1
[Sc]
Cn1cccc1
[Pt@SP1](N)(N)(Cl)Cl
C1.C1
C1(C2)CC12
""",
    "sql": r"""
select 1
SELECT a.*, count(DISTINCT b) AS n FROM t AS a JOIN u ON a.x = u.x WHERE n > 3 AND b LIKE 'x''y%'
SELECT a FROM b GROUP BY a HAVING max(c) <= .5 ORDER BY n DESC, 2 LIMIT 3 OFFSET 1;
select * from a, (select 1) x left join b using (c)
select a from b where c in (select d from e) and not exists (select 1) or f between 1 and 2 and g is not null
with t(a) as (values (1), (2)) select case when a > 1 then 'x' else 'y' end from t union all select 1 from u
select cast(a as varchar(3)), sum(a) over (partition by b order by c) from t -- comment
select a as `b c`, [d e], "f" from t
sElEcT a||b from c
""",
    "sql expression": r"""
a + b
not x is null
""",
    "python_expr": r"""
x
1, *a
lambda x, *y, z=1, **k: x if y else z
[x for x, *y in z if a if b async for c in d]
f(*a, b, c=1, **d)
{**a, 'b': 1}
{*a, b}
a[1:2, ::3, ...]
not a in b is not c
(y := 3, y)
2 ** -x ** ~y
await f().g[0]
%"'a' rb\'\'\'b\'\'\' f\"{c!r}\""
0x_ff + 1_000j - 1e-5 + .5
(yield)
(yield from a)
f(x for x in y)
%"a\n+ b # c"
()
(a,)
classy
x if y else lambda: z
a @ b // c << d
r'\\'
""",
    "regex": r"""
%""
a|b|
(a(?:b)*)+?
[^a-z\d\]]{2,3}?
(?P<n>x)(?P=n)\1
(?i)^a$
(?=a)*(?<!b)\b\.
a{,3}+
[\-a]
é.
(?#c)x
\x41\u00e9\n\Z
""",
    "xml": r"""
<a/>
<a b='c' d="&amp;e"> x <b>&#65;&#x41;</b> ] <!-- - --></a>
%'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE a SYSTEM "x">\n<é/>\n'
<a><![CDATA[<&]]]></a>
<?pi x?><a ></a >
<!-- c --><a/><?p?>
""",
    "xml content": r"""
%""
a<b/>c
""",
}
REFUSED = {
    "arithmetic": r"""
%""
1+
(1
1 2
f(,)
2^
*1
1..2
x y
f(1,)
""",
    "json": r"""
%""
01
1.
.5
+1
-
1e
[1,]
{,}
{"a" 1}
{a: 1}
'a'
%'"\t"'
"\x41"
tru e
nul
[1 2]
1 2
NaN
%"\ufeff1"
%"[\f1]"
"\u12g4"
"
[1]]
""",
    "json object": r"""
[]
1
""",
    "smiles": r"""
%""
C(
C)
()C
C=
=C
C==C
[C
C]
[]
[Xx]
C()
CC.
.C
C..C
Q
C%1
C1CC
C1(CC1)CC2
C%10CC
[H+C]
C (C)
[C@@@]
1CC1
(C)C
[sc]
Nx
""",
    "sql": r"""
%""
select
select from a
select a from
select a,, b from c
select a b c from d
select a from b where
select a from b group a
select a from b order by
select (a from b
select a from b limit
from a select b
select a from b join
select 'a from b
select a from b where c =
select a where where
select /* a
select 'a'b'
""",
    "sql expression": r"""
select
a +
""",
    "python_expr": r"""
%""
x y
1 +
class
x.class
f(a=1, b)
f(**a, *b)
*a
not
a < not b
lambda x:
[for x in y]
{a: 1, b}
{**a for b in c}
(*a)
a if b
f(a for b in c, d)
%"'" "''a''"
%'""' '"a"'
"a
1__0
0x
01
a.1
x = 1
def f(): 1
return
a := b
[x for x + 1 in y]
yield x
f(,)
(,)
x..y
'a' 1
1 'a'
if
a[]
r'\'
""",
    "regex": r"""
*
a**
(
)
a)
[a
[]
a{
a{2
^*
(?
(?P<1>a)
%"\\"
\q
(?<a)
a++?
|*
[a-\d]
(?iz)a
\x4
""",
    "xml": r"""
%""
a
<a>
</a>
<a></a
<a b=c/>
<a b/>
<a>&b</a>
<a>]]></a>
<a/><b/>
<a/>x
<1/>
<!-- -- --><a/>
<a b='<'/>
<a b='1'c='2'/>
 <?xml version="1.0"?><a/>
%"<a>\0</a>"
<a><![CDATA[x</a>
""",
    "xml content": r"""
<b>
a & b
""",
}


@pytest.mark.parametrize("entry", ACCEPTED)
def test_examples_are_judged_as_they_should_be(entry: str) -> None:
    name, _, start = entry.partition(" ")
    accepted, refused = examples(ACCEPTED[entry]), examples(REFUSED[entry])
    assert wrong(name, accepted, True, start or None) == []
    assert wrong(name, refused, False, start or None) == []
    assert [text for text in accepted if not lark_accepts(name, text, start or None)] == []
    assert [text for text in refused if lark_accepts(name, text, start or None)] == []


# --- C++ ---------------------------------------------------------------------------------------------------

CPP_DECLARATIONS = r"""
#include <vector>
namespace a::b::inline c { int x; } namespace { int y = 3; } namespace ab = a::b; using namespace std; using ab::c::x;
extern "C" { int p(const char *, ...); } extern "C" void q(void); static_assert(sizeof(int) == 4, "int" " four");
template <class T, class U = int, int N = 3, template <typename...> class C = vector, typename... R> struct Big { C<T>
    c; };
template <> struct S<int> final : public Base<int>, private virtual T { int t : 3, u : 5; static constexpr int k = 4; };
struct A {
    A() = default; A(const A &) = delete; explicit A(int x) noexcept(true) : x(x), y{x} {} virtual ~A() = 0;
    operator bool() const; bool operator<(const A &o) const { return a < o.a; } A &operator++(); int operator()(int)
    const;
    auto operator<=>(const A &) const = default; friend struct B; using V = int; mutable int m = 3;
protected: };
template <typename T> constexpr bool is_s<S<T>> = true; template <typename T> using Vec = std::vector<std::vector<T>>;
enum Color { RED, GREEN = 3, BLUE, }; enum class E : unsigned char { A = 1 << 2 }; enum E3 : int;
int (*fp)(int) = nullptr; int (*fpa[3])(int); void (Base::*pmf)() const; int Base::*pm; int (&f(int (&a)[3]))[3] {
    return a; }
auto g(int a, double b) -> decltype(a + b) { return a + b; } [[nodiscard]] int nd(); unsigned const char uc = 'a';
int i1 = 0x1F, i2 = 0b1010, i3 = 017, i4 = 1'000'000, i5 = 10ULL; double d1 = .5, d2 = 1., d3 = 1e-5, d4 = 1.5e+3f, d5
    = 09.5;
char c1 = '\n', c2 = '\'', c3 = L'x'; const char *s = "a\"b\\" u8"c" R"(raw "x" \ )"; string operator""_s(const char
    *p);
template <typename T> concept Addable = requires(T a, T b) { a + b; { a + b } -> convertible_to<T>; typename
    T::value_type; };
template <Addable T> requires integral<T> || (sizeof(T) > 2) T add(T a, T b) { return a + b; }
template <typename... Ts> auto sum(Ts &&...ts) { ((cout << ts << ' '), ...); return (... + ts) + sizeof...(ts); }
template <typename... Ts> Over(Ts...) -> Over<Ts...>; template <class T> Over<T>::Over(T t) try : x(t) {} catch (...) {}
#define MAX(a, b) \
    ((a) > (b) ? (a) : (b))
int main() { return 0; } // the end
"""
CPP_STATEMENTS = r"""
for (int i = 0, j = 1; i < n; ++i, j--) for (;;) { if (i == j) continue; else break; }
for (auto &x : v) x *= 2; for (const auto &[a, b] : mp) {} for (int x : {1, 2}) ; while (int k = n) {}
do n++; while (n < 10);
switch (n) { case 1: case E::A: { break; } default: [[fallthrough]]; }
if (auto it = m.find(1); it != m.end()) {} else {}
a = b < c ? d : e, f += 3; x = y = z; n = n >> 2 << 3 & 1 | n ^ ~3; a = b-- - --c; p->x.y(3)[4]++; (a.*pm) = *&b;
a = - -b;
int *p = new int[10], q(3), r{4}, s[] = {1, 2, 3}; delete[] p; auto t = new (buf) T{1};
auto [u, w] = pair<int, int>{1, 2};
c = (int)3.5 + int(x) + static_cast<int>(y); Point pt{.x = 1, .y = {2}}; v.push_back({1, 2}); f = (Point){1, 2};
a and not b;
vector<vector<int>> g(n, vector<int>(m)); map<string, vector<pair<int, int>>> mm; bitset<(3 > 2)> bs; f(a<b, c>(d));
x = a > b;
auto f = [&, x = 3, this](int a, auto &&...b) mutable -> int { return a; };
sort(a, b, [](int a, int b) { return a > b; });
try { throw runtime_error("x"); } catch (const exception &e) { throw; } catch (...) {} goto end; end: return;
struct Local { int a; } loc; using II = pair<int, int>; typedef long long ll; static const int N = 1e5 + 5;
int fwd(int, char *);
if constexpr (x) y; else if (z) {} return {1, 2};
"""
# what goes wrong in one place of a statement that stands in a function body
CPP_REFUSED_STATEMENTS = r"""
a > > 1;|a - = 1;|int = 0;|returnx|return x|x +;|a b c;|int int = 3;|if a {}|if (a {}|if () {}|for (int i = 0; i < n) {}
for (int i = 0, i < n, i++) {}|for (x : v) {}|while () {}|else {}|case: x;|default x;|goto ;|break x;|return return x;
x = ;
= x;|f(a,,b);|f(a,);|f(a b);|a[];|(a + b;|a + b);|a ? b;|a ? : b;|x.;|x.3;|x->;|x..y;|x::;|int x y;|int x,;|int ,x;
int x = 1 2;|int x[3;|int class = 3;|for = 3;|auto [a b] = x;|vector<int v;|vector<vector<int> v;|"a" b "c";|x "a";
1 x;|x 1;
1 2;|x = new;|static_cast<int>;|static_cast(x);|try {}|catch (int x) {}|[a { };|[](int x) x;|if (x) else y;|x ++ y;
a @ b;
a =< b;|a => b;|a === b;|a !b;|!= b;|const x = 3;|void;|int;|{ x; |} x; {|();|( );|[];|int f(int a,);|09;|0x;|1e;
1.2.3;|0b12;
1val;|'';|cout << ;|cin >> >> x;|cout < < x;|a - > b;|a : : b;|a + + ;|enum E { A B };|this = ;|x.int;|std::int x;
private: int x;
int f() { return 1; }|x = {1} + 2;|f() {}|a = b c;|i < n; i++) {}|int i = 0 i < n;|if ((x) y;|x /* y;|"abc;|'a;
export x;
"""
CPP_REFUSED_TEXTS = r"""
x = 3;
f();
return 3;
int main( {}
int main() {
int main() }
int main() { return 0; } }
int f(); {}
class A { int x; }
class A { int x };
class A : {};
class A public B {};
struct A { public int x; };
struct A { A(int x) : {} };
struct A { A(int x) y(x) {} };
int x = 3
template <typename T int f();
using namespace ;
using std;
extern "C"
int a[] = {1,,};
void f(int x, ) {}
void f(x y z) {}
int f() -> ;
int operator(int x);
) int x;
int x; /* open
class for {};
int f() { int g() { return 1; } }
"""
CPP_KEYWORDS = """
alignas alignof asm auto bool break case catch char char16_t char32_t char8_t class concept const const_cast consteval
constexpr constinit continue co_await co_return co_yield decltype default delete do double dynamic_cast else enum
explicit
export extern false float for friend goto if inline int long mutable namespace new noexcept nullptr operator private
protected public register reinterpret_cast requires return short signed sizeof static static_assert static_cast struct
switch template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile
wchar_t
while and and_eq bitand bitor compl not not_eq or or_eq xor xor_eq
"""


def in_a_function(statement: str) -> str:
    return f"void f() {{ {statement}\n}}"


REFUSED_IN_A_FUNCTION = [in_a_function(s) for line in examples(CPP_REFUSED_STATEMENTS) for s in line.split("|")]


def test_cpp_reads_the_language() -> None:
    assert wrong("cpp", [CPP_DECLARATIONS], True) == []
    assert wrong("cpp", map(in_a_function, examples(CPP_STATEMENTS)), True) == []


def test_cpp_refuses_slips() -> None:
    assert wrong("cpp", REFUSED_IN_A_FUNCTION, False) == []
    assert wrong("cpp", examples(CPP_REFUSED_TEXTS), False) == []


@pytest.mark.parametrize(
    ("start", "accepted", "refused"),
    [
        ("function_definition", "int f() { return 1; }|A::A(int x) : y(x) {}", "int x;|int f();|f() }|"),
        ("function_body", "{ return 1; }|: x(1) {}|{}", "return 1;|{|{}{}"),
        ("body_rest", "return 1; }|}|if (x) { } }", "return 1;|{|} }"),
        ("statement", "return 1;|{ }|int x = 3;|a > 1;", "returnx|a > > 1;|a - = 1;|int = 0;|x|f(); g();"),
        ("expression", "a > 1|f(a < b, c > d)|x = y, z|[]{}", "a > > 1|int x|x;|"),
    ],
)
def test_cpp_entry_points(start: str, accepted: str, refused: str) -> None:
    assert wrong("cpp", accepted.split("|"), True, start) == []
    assert wrong("cpp", refused.split("|"), False, start) == []
    assert all(lark_accepts("cpp", text, start) for text in accepted.split("|"))
    assert not any(lark_accepts("cpp", text, start) for text in refused.split("|"))


def test_cpp_keywords_are_reserved() -> None:
    assert wrong("cpp", [f"int {keyword} = 3;" for keyword in CPP_KEYWORDS.split()], False) == []
    assert wrong("cpp", [f"int {keyword}_ = 3;" for keyword in CPP_KEYWORDS.split()], True) == []


def snippets(name: str) -> list[str]:
    """Whole C++ texts; `wrongly_accepted` and `wrongly_refused` are the gaps that we know, as g++ judges them."""
    return (Path(__file__).parent / "cpp" / f"{name}.txt").read_text(encoding="utf-8").split("%%\n")


CPP_SNIPPETS = {"accepted": True, "wrongly_accepted": True, "refused": False, "wrongly_refused": False}


@pytest.mark.parametrize("name", CPP_SNIPPETS)
def test_cpp_snippets(name: str) -> None:
    assert wrong("cpp", snippets(name), CPP_SNIPPETS[name]) == []


@pytest.mark.parametrize("name", CPP_SNIPPETS)
def test_gcc_judges_the_snippets_as_their_file_says(name: str) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not there: the snippets of tests/cpp keep the verdicts it gave")
    if int(subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True).stdout.split(".")[0]) < 12:
        pytest.skip("g++ is older than 12: it does not know all of C++20")
    command = [compiler, "-std=c++20", "-fsyntax-only", "-w", "-x", "c++", "-"]
    want = name in ("accepted", "wrongly_refused")
    runs = {text: subprocess.run(command, input=text, text=True, capture_output=True) for text in snippets(name)}
    assert {text: run.stderr for text, run in runs.items() if (run.returncode == 0) != want} == {}


def test_cpp_agrees_with_lark_on_short_texts() -> None:
    texts = REFUSED_IN_A_FUNCTION[::8] + examples(CPP_REFUSED_TEXTS)[::4] + examples(CPP_DECLARATIONS)[1:5]
    texts += [text for name in CPP_SNIPPETS for text in snippets(name)[::16] if len(text) < 80]
    assert [text for text in texts if grammar("cpp").accepts(text) != lark_accepts("cpp", text)] == []


def test_cpp_agrees_with_lark_on_short_real_programs() -> None:
    valid = sorted({row["code"] for row in rows("cpp_valid")}, key=len)[:12]
    broken = sorted({row["code"] for row in rows("cpp_broken")}, key=len)[:12]
    assert [text for text in valid if not lark_accepts("cpp", text) or not grammar("cpp").accepts(text)] == []
    assert [text for text in broken if lark_accepts("cpp", text) or grammar("cpp").accepts(text)] == []


def test_cpp_accepts_real_programs_and_refuses_broken_ones() -> None:
    valid = [row["code"] for row in rows("cpp_valid")]
    broken = [row["code"] for row in rows("cpp_broken")]
    assert len(wrong("cpp", valid, True)) <= len(valid) // 100
    assert len(wrong("cpp", broken, False)) <= len(broken) // 10


def test_cpp_accepts_humaneval() -> None:
    tasks = rows("humaneval_x_cpp")
    assert wrong("cpp", [task["prompt"] + task["canonical_solution"] for task in tasks], True) == []
    after_brace = [task["canonical_solution"] for task in tasks if task["prompt"].rstrip().endswith("{")]
    assert wrong("cpp", after_brace, True, "body_rest") == []


@pytest.mark.slow
def test_cpp_gaps_of_any_length_are_judged_as_real_programs_say() -> None:
    assert misjudged("cpp", rows("cpp_partial_cases")) == []


def misjudged(name: str, cases: list[dict[str, Any]]) -> list[list[str | None]]:
    """The texts with gaps whose verdict is not the one in `completable`."""
    verdict = {True: cd.Verdict.COMPLETABLE, False: cd.Verdict.DEAD}
    judge = grammar(name)
    return [case["parts"] for case in cases if judge.is_completable(case["parts"]) is not verdict[case["completable"]]]


# --- the others on real texts ------------------------------------------------------------------------------


# rows that hold no text but say how to write it
JSON_GENERATED = {
    "n_structure_100000_opening_arrays.json": b"[" * 100_000,
    "n_structure_open_array_object.json": b'[{"":' * 50_000 + b"\n",
}


def json_bytes(row: dict[str, Any]) -> bytes:
    if "text" in row:
        return str(row["text"]).encode()
    return base64.b64decode(row["b64"]) if "b64" in row else JSON_GENERATED[row["name"]]


def test_json_is_what_the_test_suite_says() -> None:
    constraint = cd.compile(grammar("json"), cd.Vocabulary.bytes(), eos_policy="none")
    cases = [(row["name"], row["expected"], json_bytes(row)) for row in rows("json_test_suite")]
    assert len(cases) > 190
    verdict = {"accept": cd.Verdict.COMPLETABLE, "reject": cd.Verdict.DEAD}
    got = {name: constraint.canvas(list(data), [False] * len(data)).verdict() for name, _, data in cases}
    assert [name for name, want, _ in cases if want in verdict and got[name] is not verdict[want]] == []


def test_smiles_of_real_molecules() -> None:
    valid = [row["smiles"] for row in rows("smiles_valid")]
    broken = [row["smiles"] for row in rows("smiles_broken")]
    assert len(wrong("smiles", valid, True)) <= len(valid) // 1000
    assert len(wrong("smiles", broken, False)) <= len(broken) // 20


def test_smiles_gaps_of_any_length_are_judged_as_rdkit_says() -> None:
    assert misjudged("smiles", rows("smiles_partial_cases")) == []


def test_sql_reads_the_gold_queries() -> None:
    gold = sorted({row["sql"] for row in rows("spider_sql") if row["kind"] == "gold"})
    assert len(wrong("sql", gold, True)) <= len(gold) // 100


# --- other judges ------------------------------------------------------------------------------------------


def disagreements(name: str, texts: Iterable[str], judge: Callable[[str], bool]) -> list[tuple[str, bool]]:
    """Texts on which the grammar and the judge differ, with the judge's verdict."""
    accepts = grammar(name).accepts
    return [(text, want) for text in texts if accepts(text) != (want := judge(text))]


def mixtures(pieces: list[str], n: int, length: int) -> list[str]:
    draw = random.Random(17)
    return ["".join(draw.choices(pieces, k=draw.randint(1, length))) for _ in range(n)]


XML_PIECES = r"""
<a>
</a>
<a/>
<a b="c">
<a b='&amp;' c = "" />
text
%" "
%"\n"
&lt;
&#65;
&
<
>
]]>
]
<!-- c -->
<!-- -- -->
<![CDATA[ <&> ]]>
<?pi x?>
<?xml version="1.0"?>
<a b=c>
<a b='1'c='2'>
<é/>
"""


def expat_accepts(text: str) -> bool:
    try:
        xml.parsers.expat.ParserCreate().Parse(text, True)
    except xml.parsers.expat.ExpatError:
        return False
    return True


def test_xml_agrees_with_expat() -> None:
    texts = mixtures(examples(XML_PIECES), 500, 5)
    texts += [f"<a>{text}</a>" for text in texts] + [f"<!DOCTYPE a><a>{text}</a>" for text in texts]
    assert disagreements("xml", texts, expat_accepts) == []


REGEX_PIECES = [
    *"ab|*+?().^$ -é",
    *("{2}", "{2,}", "{,3}", "{1,2}", "(?:", "(?=", "(?<!", "(?P<n>", "(?i:"),
    *("[a-c]", "[^a-]", r"[\d-]", r"\d", r"\.", r"\b", r"\x41"),
]


def re_compiles(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(text)
    except re.error as error:
        # a matter of width, not of form
        return "fixed-width" in str(error)
    return True


def test_regex_agrees_with_re() -> None:
    texts = [text for text in mixtures(REGEX_PIECES, 3000, 6) if text.count("(?P<n>") < 2]
    assert disagreements("regex", texts, re_compiles) == []


def ast_accepts(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(f"(\n{text}\n)", mode="eval").body
    except (SyntaxError, ValueError):
        return False
    # only parentheses around the whole allow these
    return not isinstance(body, ast.GeneratorExp) or text.startswith("(")


def expressions_of(source: str) -> set[str]:
    """The texts of the expressions in a module that are no longer than 300 bytes."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.expr) and not isinstance(node, ast.Yield | ast.YieldFrom | ast.NamedExpr | ast.Starred):
            begin = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
            found.add(source.encode()[begin:end].decode() if end - begin <= 300 else "x")
    return found


@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="the parts of f-strings are expressions with places of their own"
)
def test_python_expr_reads_the_expressions_of_real_modules() -> None:
    texts = set().union(
        *(expressions_of(inspect.getsource(module)) for module in (json.decoder, textwrap, ast, inspect))
    )
    texts = {text for text in texts if ast_accepts(text)}
    assert len(texts) > 3000
    assert wrong("python_expr", sorted(texts), True) == []


PYTHON_PIECES = r"""
x
y
1
's'
(
)
[
]
{
}
*
**
,
:
%"not "
%" in "
%" if "
%" else "
%" for "
%" is "
%" and "
.z
%"lambda "
-
=
f(
(x)
[x]
"""


def test_python_expr_agrees_with_ast() -> None:
    texts = [text for text in mixtures(examples(PYTHON_PIECES), 6000, 6) if ")" not in text.split("(")[0]]
    assert disagreements("python_expr", texts, ast_accepts) == []
