"""The databases of the tests are what the tests take them for."""

import sqlalchemy as sa


def test_a_database_starts_without_tables(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    assert sa.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE left_behind (id INTEGER)")
    engine.dispose()


def test_no_table_is_left_behind(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    assert not sa.inspect(engine).has_table("left_behind")
    engine.dispose()


def test_lower_knows_unicode(database_url: str) -> None:
    """Filters fold case in SQL; SQLite's own lower() knows ASCII only."""
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        folded = connection.scalar(sa.select(sa.func.lower(sa.literal("ÉA"))))
    engine.dispose()
    assert folded == ("Éa" if engine.dialect.name == "sqlite" else "éa")
