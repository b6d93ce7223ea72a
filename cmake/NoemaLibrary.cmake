# noema_library(room HEADERS ... SOURCES ... DEPS ... [PRIVATE_DEPS ...] [NAME name]): one room as one static library.
# Headers are included as <noema/room/file.h>, in the build and installed.
include(GNUInstallDirs)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/include")
file(CREATE_LINK "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}/include/noema" SYMBOLIC)

add_library(noema_flags INTERFACE)
target_compile_options(noema_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wunused -Wno-missing-field-initializers>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>  # g++ 12 sees overlaps that are not there (its bug 105651)
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${NOEMA_WERROR}>>:-Werror>)
# a*b+c stays two roundings on every processor, so figures do not depend on the compiler's choice of contraction.
target_compile_options(noema_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
target_compile_definitions(noema_flags INTERFACE EIGEN_DONT_PARALLELIZE)
if(NOEMA_SANITIZE)
  target_compile_options(noema_flags INTERFACE -fsanitize=${NOEMA_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(noema_flags INTERFACE -fsanitize=${NOEMA_SANITIZE})
endif()

function(noema_library room)
  cmake_parse_arguments(A "" "NAME" "HEADERS;SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(NOT A_NAME)
    set(A_NAME ${room})
  endif()
  set(target noema_${A_NAME})
  add_library(${target} STATIC)
  add_library(noema::${A_NAME} ALIAS ${target})
  list(TRANSFORM A_HEADERS PREPEND "${PROJECT_BINARY_DIR}/include/noema/${room}/")
  target_sources(${target} PRIVATE ${A_SOURCES}
    PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_BINARY_DIR}/include" FILES ${A_HEADERS})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC ${A_DEPS} PRIVATE $<BUILD_INTERFACE:noema_flags> ${A_PRIVATE_DEPS})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${A_NAME} POSITION_INDEPENDENT_CODE ON)
  get_target_property(_deps ${target} LINK_LIBRARIES)
  if(NOEMA_UNITY AND "noema_torch" IN_LIST _deps)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
  install(TARGETS ${target} EXPORT noemaTargets FILE_SET HEADERS)
endfunction()
