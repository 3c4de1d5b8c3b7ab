/*
 * The words of turns in the store: a row of turn_terms for each word of each turn, with all that ranking reads of the
 * turn, and a row of turn_figures for each user, with what BM25 has to know of all turns. On the writer.
 */
#include "memory/memory_internal.h"

static int add_figures(struct nx_db *db, const struct nx_memory_terms_turn *t, int64_t turns, int64_t length,
		       struct nx_error **err)
{
	return nx_db_exec(db,
			  "INSERT INTO turn_figures(tenant_id, user_id, turns, length) VALUES($1,$2,$3,$4) "
			  "ON CONFLICT(tenant_id, user_id) DO UPDATE SET turns=turns+excluded.turns, "
			  "length=length+excluded.length",
			  NX_PARAMS(nx_v_int(t->tenant), nx_v_text(t->user), nx_v_int(turns), nx_v_int(length)), err);
}

int nx_memory_terms_put(struct nx_db *db, const struct nx_memory_terms_turn *t, const struct nx_memory_term *terms,
			size_t n, struct nx_error **err)
{
	int rc = add_figures(db, t, 1, t->length, err);

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = nx_db_exec(db,
				"INSERT INTO turn_terms(tenant_id, user_id, term, turn_id, count, length, session_id) "
				"VALUES($1,$2,$3,$4,$5,$6,$7)",
				NX_PARAMS(nx_v_int(t->tenant), nx_v_text(t->user), nx_v_text(terms[i].text),
					  nx_v_int(t->row), nx_v_int(terms[i].count), nx_v_int(t->length),
					  nx_v_int0(t->session)),
				err);
	return rc;
}

int nx_memory_terms_drop(struct nx_db *db, const struct nx_memory_terms_turn *t, struct nx_error **err)
{
	int rc = nx_db_exec(db, "DELETE FROM turn_terms WHERE turn_id=$1", NX_PARAMS(nx_v_int(t->row)), err);

	return rc < 0 ? rc : add_figures(db, t, -1, -t->length, err);
}

int nx_memory_terms_forget(struct nx_db *db, int64_t tenant, nx_str user, struct nx_error **err)
{
	static const char *const statements[] = {
		"DELETE FROM turn_terms WHERE tenant_id=$1 AND user_id=$2",
		"DELETE FROM turn_figures WHERE tenant_id=$1 AND user_id=$2",
	};
	int rc = 0;

	for (size_t i = 0; i < nx_countof(statements) && rc == 0; i++)
		rc = nx_db_exec(db, statements[i], NX_PARAMS(nx_v_int(tenant), nx_v_text(user)), err);
	return rc;
}
