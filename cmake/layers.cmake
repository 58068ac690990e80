# The layers of ARCHITECTURE.md, lowest first. tests/house checks the includes against the same order.
include(cmake/embed.cmake)
toygres_layer(base LIBS fmt::fmt)
toygres_layer(metrics DEPENDS tg_base LIBS prometheus-cpp::core)
toygres_layer(http DEPENDS tg_base LIBS Boost::url)
toygres_layer(pg DEPENDS tg_base LIBS PostgreSQL::PostgreSQL)
toygres_layer(runtime/core DEPENDS tg_base)
toygres_layer(runtime/store DEPENDS tg_runtime_core tg_pg)
toygres_layer(runtime/host DEPENDS tg_runtime_store tg_metrics)
