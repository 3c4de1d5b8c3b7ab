/* Python, inside: the grammar's symbols and what an expression comes to. */
#ifndef NX_EXECUTION_SCAN_PYTHON_INTERNAL_H
#define NX_EXECUTION_SCAN_PYTHON_INTERNAL_H

#include "execution/scan_value.h"

#define NX_PY_STARS_MAX 32

/* X(symbol of a named node), X(field). Version 14 of clang-format never comes to rest on lists of this length. */
/* clang-format off */
#define NX_PY_SYMBOLS(X) \
	X(aliased_import) X(argument_list) X(as_pattern) X(as_pattern_target) X(assignment) X(attribute) \
	X(augmented_assignment) X(await) X(binary_operator) X(boolean_operator) X(break_statement) X(call) X(class_definition) \
	X(concatenated_string) X(conditional_expression) X(decorator) X(default_parameter) \
	X(dictionary_splat) X(dotted_name) X(escape_sequence) X(expression_list) X(expression_statement) \
	X(for_in_clause) X(for_statement) X(function_definition) X(generator_expression) X(identifier) \
	X(import_from_statement) X(import_statement) X(integer) X(interpolation) X(keyword_argument) \
	X(lambda) X(list) X(list_comprehension) X(list_splat) X(named_expression) \
	X(parenthesized_expression) X(pattern_list) X(raise_statement) X(relative_import) \
	X(return_statement) X(set) X(slice) X(string) X(string_content) X(subscript) X(tuple) \
	X(tuple_pattern) X(type) X(typed_default_parameter) X(unary_operator) X(while_statement) \
	X(wildcard_import) X(yield)

#define NX_PY_FIELDS(X) \
	X(alias) X(argument) X(arguments) X(attribute) X(body) X(condition) X(expression) X(function) \
	X(left) X(module_name) X(name) X(object) X(operator) X(parameters) X(right) X(subscript) X(value)
/* clang-format on */

struct nx_py_node {
	TSNode n;
	TSSymbol parent;
	TSFieldId field;
};

struct nx_py {
	struct nx_names w; /* first: the evaluator gets a pointer to it */
	struct {
#define X(name) TSSymbol name;
		NX_PY_SYMBOLS(X)
#undef X
		TSSymbol float_, true_; /* whose names C has taken */
	} s;
	struct {
#define X(name) TSFieldId name;
		NX_PY_FIELDS(X)
#undef X
	} f;
	nx_str bound; /* the variable of a comprehension or lambda that is being evaluated, and its value */
	struct nx_value bound_value;
	nx_str stars[NX_PY_STARS_MAX]; /* from X import * */
	size_t nstars;
	struct nx_names modules;  /* what was imported: only its table is used */
	struct nx_py_node *nodes; /* those that the rules are asked about, in the order of the text */
	size_t nnodes, nodes_cap;
};

static inline bool nx_py_is(TSNode n, TSSymbol s)
{
	return !ts_node_is_null(n) && ts_node_symbol(n) == s;
}

static inline TSNode nx_py_child(TSNode n, TSFieldId f)
{
	return ts_node_child_by_field_id(n, f);
}

struct nx_value nx_py_evaluate(struct nx_names *w, TSNode n, unsigned depth);
/* The identifier as Python reads it: in NFKC. */
nx_str nx_py_identifier(struct nx_py *p, TSNode n);
bool nx_py_is_module(const struct nx_py *p, nx_str name);
bool nx_py_imports(nx_str function);
/* What a call calls: operator.methodcaller("system")(os) calls os.system. */
struct nx_value nx_py_called(struct nx_py *p, TSNode call, unsigned depth);

#endif
