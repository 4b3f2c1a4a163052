"""HTTP for participants' machines, beside the Centre."""
