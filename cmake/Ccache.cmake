# Compiles through ccache where it is installed. Paths below the source folder are made relative first, so that two
# checkouts of this repository on one machine share their results.
find_program(SHARDWRIGHT_CCACHE ccache)
if(SHARDWRIGHT_CCACHE)
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SHARDWRIGHT_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
