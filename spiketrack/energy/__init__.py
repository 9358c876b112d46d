"""Operations times prices."""
